/** Attribs over the API and the CLI: what counts, where it came from, what is proposed, what is refused. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClient, type Client } from '../../../src/client/client.js';
import { runCli } from '../../../src/cli/main.js';
import { commitDeployment, createDeployment } from '../../../src/deployments/verbs.js';
import { bindRole } from '../../../src/noderoles/bind.js';
import { claim } from '../../../src/noderoles/claim.js';
import { settle, type Settlement } from '../../../src/noderoles/settle.js';
import { startRuns } from '../../../src/runs/start.js';
import { addMachines, addRoles, addSlots } from '../../support/direct-engine.js';
import { API, startApi, type ApiFixture } from '../api/api-fixture.js';

let fixture: ApiFixture;
let client: Client;
let home: string;
const ids = { database: 0, reader: 0, deployment: 0, pair: 0 };
let node = '';

beforeAll(async () => {
  fixture = await startApi();
  client = createClient({ baseUrl: fixture.baseUrl, token: fixture.tokens.admin });
  home = mkdtempSync(path.join(tmpdir(), 'prybar-attribs-'));
  const { db } = fixture;
  await addSlots(db, 'fast', 100);
  const roles = await addRoles(
    db,
    { database: [], reader: ['database'] },
    {
      database: {
        attribs: [
          { name: 'port', description: 'Where it listens.', schema: { type: 'integer' }, default: 5432 },
          { name: 'key', schema: { type: 'string' } },
          { name: 'password', schema: { type: 'string', writeOnly: true } },
          { name: 'net', schema: { type: 'object' } },
        ],
        template: { net: { mtu: 1500 } },
      },
      reader: { wants_attribs: [{ name: 'database/key', at: 'db/key' }, 'database/password', 'node/rack'] },
    },
  );
  const [nodeId] = await addMachines(db, 1);
  node = (await db.prisma.node.findUniqueOrThrow({ where: { id: nodeId } })).name;
  ids.deployment = (await createDeployment(db, { name: 'demo', actor: 'test' })).id;
  ids.reader = (await bindRole(db, { roleId: roles.reader, nodeId, deploymentId: ids.deployment, actor: 'test' })).nodeRoleId;
  ids.database = (await db.prisma.nodeRole.findFirstOrThrow({ where: { roleId: roles.database } })).id;
  ids.pair = (await db.prisma.deploymentRole.findFirstOrThrow({ where: { roleId: roles.database, deploymentId: ids.deployment } })).id;
});
afterAll(async () => {
  await fixture.close();
  rmSync(home, { recursive: true, force: true });
});

async function drive(): Promise<void> {
  const { pool } = fixture.db;
  for (let rings = await claim(pool, 100); rings.length > 0; rings = await claim(pool, 100)) {
    const answers = await startRuns(pool, rings, 'w1', 600);
    const batch = answers.flatMap((answer): Settlement[] => {
      if (answer.kind === 'dropped') return [];
      if (answer.kind !== 'run') return [{ runId: answer.runId, fence: answer.fence, outcome: { kind: answer.kind } }];
      const wall = answer.run.role.name === 'database' ? { key: 'join-me', uptime: 1 } : {};
      return [{ runId: answer.run.runId, fence: answer.run.fence, outcome: { kind: 'done', wall } }];
    });
    await settle(pool, batch, 0);
  }
}

async function prybar(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const stream = (take: (text: string) => void) => ({ write: (text: string) => (take(text), true) }) as never;
  const exitCode = await runCli(args, {
    env: { PRYBAR_URL: fixture.baseUrl, PRYBAR_TOKEN: fixture.tokens.admin },
    cwd: home,
    packageRoot: process.cwd(),
    stdout: stream((text) => (stdout += text)),
    stderr: stream((text) => (stderr += text)),
    signal: new AbortController().signal,
    now: Date.now,
  });
  return { exitCode, stdout, stderr };
}

const database = () => ({ kind: 'node_roles' as const, key: `database@${node}` });

describe('attribs', () => {
  it('are proposed one by one, checked, and count from the commit on, with the revision that did it', async () => {
    const set = await client.attribs.set(database(), 'port', 6000);
    expect(set).toMatchObject({ scoped: 'database/port', value: 5432, proposed: 6000, sources: [{ bucket: 'attrib.default' }] });
    await client.attribs.set(database(), 'password', 'hunter22');
    await client.attribs.set({ kind: 'deployment_roles', key: ids.pair }, 'net', { vlan: 7 });
    await client.attribs.set({ kind: 'nodes', key: node }, 'rack', 'r7');
    await commitDeployment(fixture.db, ids.deployment, 'alice');
    await drive();

    const list = await client.attribs.list(database());
    const byName = Object.fromEntries(list.attribs.map((attrib) => [attrib.name, attrib]));
    expect(byName['port']).toMatchObject({
      value: 6000,
      declared: true,
      sources: [{ path: '', bucket: 'noderole.committed', revision: 1, by: 'alice', at: expect.any(String) }],
    });
    expect(byName['net']).toMatchObject({
      value: { mtu: 1500, vlan: 7 },
      sources: [
        { path: 'mtu', bucket: 'role.template', revision: null },
        { path: 'vlan', bucket: 'deployment_role.committed', revision: 1 },
      ],
    });
    const [run] = (await client.nodeRoles.runs(database().key)).items;
    expect(byName['key']).toMatchObject({ value: 'join-me', sources: [{ bucket: 'noderole.wall', run: run.id, at: run.ended_at }] });
    expect(byName['uptime']).toMatchObject({ declared: false, value: 1 });
    expect(byName['password']).toMatchObject({ value: '***', secret: true });
    expect(list.buckets).toMatchObject({ 'noderole.committed': { port: 6000, password: '***' }, 'noderole.wall': { key: 'join-me' } });
  });

  it('are explained with every bucket that says something, and who reads them', async () => {
    await client.attribs.set({ kind: 'deployment_roles', key: ids.pair }, 'port', 7000);
    await commitDeployment(fixture.db, ids.deployment, 'bob');
    const one = await client.attribs.get(database(), 'database/port', { explain: true });
    expect(one.layers?.map(({ bucket, value, counts, revision, by }) => ({ bucket, value, counts, revision, by }))).toEqual([
      { bucket: 'noderole.committed', value: 6000, counts: true, revision: 1, by: 'alice' },
      { bucket: 'deployment_role.committed', value: 7000, counts: false, revision: 2, by: 'bob' },
      { bucket: 'attrib.default', value: 5432, counts: false, revision: null, by: null },
    ]);
    expect((await client.attribs.get(database(), 'key', { explain: true })).readers).toEqual([`reader@${node}`]);
    expect((await client.attribs.get(database(), 'port', { bucket: 'attrib.default' })).value).toBe(5432);
  });

  it('may be noted beside: free JSON that is shown and counts for nothing', async () => {
    const before = await client.nodeRoles.get(database().key);
    expect(await prybar('attribs', 'set', node, 'label/psu', '"left one is loud"', '--note')).toMatchObject({
      exitCode: 0,
      stdout: `noted of ${node}: label/psu: "left one is loud"\n`,
    });
    await client.attribs.note({ kind: 'nodes', key: node }, 'label.owner', 'anna');
    await client.attribs.note(database(), 'port', 'ask bob before you change it');
    await client.attribs.note({ kind: 'deployment_roles', key: ids.pair }, 'why', ['audit', 7]);

    const list = await client.attribs.list({ kind: 'nodes', key: node });
    expect(list.notes).toEqual({ label: { psu: 'left one is loud', owner: 'anna' } });
    expect(list.attribs.map((attrib) => attrib.name)).not.toContain('label');
    expect((await client.attribs.list(database())).attribs.find((attrib) => attrib.name === 'port')).toMatchObject({ value: 6000 });
    expect(await client.nodeRoles.get(database().key)).toMatchObject({ version: before.version, state: before.state });
    expect((await client.attribs.get(database(), 'port', { bucket: 'notes' })).value).toBe('ask bob before you change it');
    expect((await prybar('attribs', 'list', node)).stdout).toContain('NOTES\n   label: {"psu":"left one is loud","owner":"anna"}');

    expect(await prybar('attribs', 'unset', node, 'label/psu', '--note')).toMatchObject({ exitCode: 0 });
    await client.attribs.removeNote({ kind: 'deployment_roles', key: ids.pair }, 'why');
    await expect(client.attribs.get({ kind: 'deployment_roles', key: ids.pair }, 'why', { bucket: 'notes' })).rejects.toMatchObject({
      status: 404,
      detail: expect.stringContaining('it has none'),
    });
    await expect(client.attribs.note(database(), 'essay', 'x'.repeat(70_000))).rejects.toMatchObject({ status: 400, errors: [{ field: 'value' }] });
    const lookedAt = createClient({ baseUrl: fixture.baseUrl, token: fixture.tokens.viewer });
    await expect(lookedAt.attribs.note(database(), 'x', 1)).rejects.toMatchObject({ status: 403 });
  });

  it('that are wanted tell whose they are, and so do the inputs of the run', async () => {
    const { wanted } = await client.attribs.list({ kind: 'node_roles', key: ids.reader });
    expect(wanted.map(({ name, scoped, value }) => ({ name, scoped, value }))).toEqual([
      { name: 'db/key', scoped: 'database/key', value: 'join-me' },
      { name: 'password', scoped: 'database/password', value: '***' },
      { name: 'rack', scoped: 'node/rack', value: 'r7' },
    ]);
    const [run] = (await client.nodeRoles.runs(ids.reader)).items;
    const inputs = await client.attribs.inputs(run.id, { explain: true });
    expect(inputs.inputs).toMatchObject({ db: { key: 'join-me' }, password: '***', rack: 'r7', parents: {} });
    expect(inputs.sources).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ key: 'db', path: 'key', bucket: 'noderole.wall', noderole: database().key }),
        expect.objectContaining({ key: 'password', bucket: 'noderole.committed', noderole: database().key, revision: 1, by: 'alice' }),
        expect.objectContaining({ key: 'rack', bucket: 'node.hint', noderole: null }),
      ]),
    );
    expect((await client.runs.get(run.id)).inputs).toMatchObject({ password: '***' });
  });

  it.each([
    ['a value off its schema', 'port', '"x"', 400, 'data.port: must be integer'],
    ['an unknown attrib', 'prot', '1', 400, "did you mean 'port'?"],
    ['an attrib of another role', 'reader/port', '1', 400, 'belongs to another role'],
  ])('refuse %s with the fix', async (_what, name, value, status, words) => {
    const answer = await fixture
      .as('operator')
      .put(`${API}/node_roles/database@${node}/attribs/${encodeURIComponent(name)}`)
      .send({ value: JSON.parse(value) });
    expect(answer.status).toBe(status);
    expect(answer.body.detail).toContain(words);
    const read = await fixture.as('viewer').get(`${API}/node_roles/database@${node}/attribs/nothing`);
    expect({ status: read.status, detail: read.body.detail }).toEqual({ status: 404, detail: expect.stringContaining('has no attrib') });
    expect((await fixture.as('viewer').put(`${API}/node_roles/database@${node}/attribs/port`).send({ value: 1 })).status).toBe(403);
  });

  it('are taken back, and what lies below counts again', async () => {
    await client.attribs.unset(database(), 'port');
    await commitDeployment(fixture.db, ids.deployment, 'carol');
    expect(await client.attribs.get(database(), 'port')).toMatchObject({ value: 7000, sources: [{ bucket: 'deployment_role.committed', revision: 2 }] });
    await client.attribs.unset({ kind: 'nodes', key: node }, 'rack');
    expect((await client.attribs.list({ kind: 'nodes', key: node })).attribs.map((attrib) => attrib.name)).not.toContain('rack');
  });

  it('of a node are read at any path', async () => {
    await client.attribs.set({ kind: 'nodes', key: node }, 'place/rack', 'r8');
    expect(await client.attribs.get({ kind: 'nodes', key: node }, 'node/place/rack', { explain: true })).toMatchObject({
      value: 'r8',
      sources: [{ bucket: 'node.hint' }],
      layers: [{ bucket: 'node.hint', value: 'r8', counts: true }],
    });
  });
});

describe('prybar attribs', () => {
  it('explains in both spellings, in words and as JSON', async () => {
    const target = `database@${node}`;
    const words = await prybar('attribs', 'explain', target, 'port');
    expect(words).toMatchObject({ exitCode: 0, stderr: '' });
    expect(words.stdout).toContain('deployment role, committed, revision 2 by bob');
    expect((await prybar('attribs', '--explain', target, 'port')).stdout).toBe(words.stdout);
    expect(JSON.parse((await prybar('attribs', '--explain', target, 'port', '--json')).stdout)).toMatchObject({ value: 7000 });
    expect((await prybar('attribs', '--explain', target)).stdout).toContain('net');
  });

  it('lists, gets, sets and unsets on noderoles, deployment roles and nodes', async () => {
    expect((await prybar('attribs', 'list', 'demo/database')).stdout).toContain('7000');
    expect((await prybar('attribs', 'set', `database@${node}`, 'port', '8000')).stdout).toContain('7000 -> 8000 proposed');
    expect((await prybar('attribs', 'get', `database@${node}`, 'port', '--bucket', 'user')).stdout).toBe('8000\n');
    expect((await prybar('attribs', 'unset', `database@${node}`, 'port')).exitCode).toBe(0);
    expect((await prybar('attribs', 'set', node, 'rack', 'r9')).stdout).toContain('"r9"');
    expect((await prybar('attribs', 'get', node, 'rack')).stdout).toBe('"r9"\n');
  });

  it('tells what a run was given', async () => {
    const [run] = (await client.nodeRoles.runs(ids.reader)).items;
    const { stdout } = await prybar('attribs', 'inputs', String(run.id));
    expect(stdout).toContain(`key: wall of database@${node}, left by run`);
    expect(stdout).not.toContain('hunter22');
  });

  it('says what is wrong and what to type', async () => {
    const wrong = await prybar('attribs', 'set', `database@${node}`, 'prot', '1');
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("did you mean 'port'?") });
    expect((await prybar('attribs', 'list', 'demo/nothing')).stderr).toContain("no role 'nothing' is bound in deployment 'demo'");
  });
});
