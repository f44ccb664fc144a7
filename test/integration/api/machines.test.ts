import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { withTransaction } from '../../../src/db/client.js';
import { armInstall } from '../../../src/bootenvs/installs.js';
import { mintToken } from '../../../src/nodes/tokens.js';
import { waitFor } from '../../support/wait-for.js';
import { rowCounts, startApi, type ApiFixture } from './api-fixture.js';

const MAC = '52:54:00:77:00:01';
const ADDRESS = '127.0.0.1';

const facts = (bootId: string, more: Record<string, unknown> = {}) => ({
  boot_id: bootId,
  class: 'discovery',
  uuid: '6f0d1a51-7b4f-4a5e-9d0a-2d6a1c4b0001',
  serial: 'SN0001',
  vendor: 'Prybar',
  product: 'Test',
  arch: 'x86_64',
  cpus: 4,
  memory_bytes: 8_589_934_592,
  firmware: 'bios',
  nics: [{ name: 'eth0', mac: MAC, speed: 10_000, carrier: true }],
  disks: [{ name: '/dev/sda', serial: 'D1', size_bytes: 64_000_000_000, rotational: false }],
  agent_version: '1',
  ...more,
});

describe('machines', () => {
  let fixture: ApiFixture;
  beforeAll(async () => {
    fixture = await startApi();
  });
  afterAll(() => fixture.close());

  const post = (url: string, token?: string) => {
    const test = request(fixture.baseUrl).post(url);
    return token === undefined ? test : test.set('Authorization', `Bearer ${token}`);
  };
  const bootToken = (address = ADDRESS, mac = MAC) =>
    withTransaction(fixture.db.pool, (tx) => mintToken(tx, { kind: 'boot', mac, address, bootenv: 'discovery', ttlSeconds: 60 }));
  const refusals = () => fixture.db.prisma.outboxEvent.count({ where: { kind: 'token-refused' } });

  async function boot(bootId: string): Promise<{ id: number; agent: string; bootToken: string }> {
    const token = await bootToken();
    const { body } = await post('/node/facts', token).send(facts(bootId)).expect(200);
    return { id: body.node.id, agent: body.agent_token, bootToken: token };
  }

  /** A WAITING run with work for the node's agent, as the script jig leaves it. */
  async function offerWork(nodeId: number): Promise<{ runId: number; fence: number }> {
    const role = await fixture.db.prisma.role.findFirstOrThrow({ select: { id: true } });
    const node = await fixture.db.prisma.node.findUniqueOrThrow({ where: { id: nodeId } });
    const nodeRole = await fixture.db.prisma.nodeRole.upsert({
      where: { roleId_nodeId: { roleId: role.id, nodeId } },
      create: { roleId: role.id, nodeId, deploymentId: node.deploymentId },
      update: {},
    });
    await fixture.db.pool.query(
      `UPDATE runs SET status = 'ENDED', outcome = 'succeeded', ended_at = clock_timestamp() WHERE node_id = $1 AND status <> 'ENDED'`,
      [nodeId],
    );
    const run = await fixture.db.prisma.run.create({
      data: { nodeRoleId: nodeRole.id, nodeId, roleId: role.id, jig: 'script', exclusiveKey: String(nodeId), status: 'WAITING', fence: 3 },
    });
    await fixture.db.prisma.agentWork.create({ data: { runId: run.id, nodeId, fence: 3, spec: { script: 'echo hi', env: { A: '1' }, timeoutSeconds: 60 } } });
    return { runId: Number(run.id), fence: 3 };
  }

  it('are discovered by their facts, and the same facts again are the same machine', async () => {
    const token = await bootToken();
    const first = await post('/node/facts', token).send(facts('boot-0001')).expect(200);
    expect(first.body).toEqual({
      node: { id: expect.any(Number), name: 'd52-54-00-77-00-01.prybar.internal' },
      agent_token: expect.stringMatching(/^[\w-]{43}$/),
      heartbeat_seconds: 5,
      wait_seconds: 25,
    });
    // The answer was lost: the machine asks again with the same token, and only the last agent token holds.
    const second = await post('/node/facts', token).send(facts('boot-0001')).expect(200);
    expect(second.body.node).toEqual(first.body.node);
    await post(`/node/${first.body.node.id}/heartbeat`, first.body.agent_token).send({ boot_id: 'boot-0001' }).expect(401);
    await post(`/node/${first.body.node.id}/heartbeat`, second.body.agent_token).send({ boot_id: 'boot-0001' }).expect(204);
    const { body } = await fixture.as('viewer').get(`/api/v2/nodes/${first.body.node.id}`).expect(200);
    expect(body).toMatchObject({
      alive: true,
      observed: { class: 'discovery', boot_id: 'boot-0001', phase: 'agent', address: ADDRESS },
      nics: [{ mac: MAC, boot: true }],
    });
  });

  it('race 23: lose their boot token when the agent has spoken', async () => {
    const { id, agent, bootToken: token } = await boot('boot-0002');
    await post('/node/facts', token).send(facts('boot-0002')).expect(200);
    const again = await boot('boot-0002');
    await post(`/node/${id}/heartbeat`, agent).send({ boot_id: 'boot-0002' }).expect(401);
    await post(`/node/${id}/heartbeat`, again.agent).send({ boot_id: 'boot-0002' }).expect(204);
    await post('/node/facts', token).send(facts('boot-0002')).expect(401);
    await post('/node/facts', again.bootToken).send(facts('boot-0002')).expect(401);
  });

  describe('with a wrong token', () => {
    it('get one answer whatever is wrong, and the operator an event', async () => {
      const { id, agent } = await boot('boot-0003');
      const other = await bootToken('127.0.0.99');
      const before = await refusals();
      const answers = [
        await post('/node/facts').send(facts('boot-0003')),
        await post('/node/facts', 'x'.repeat(43)).send(facts('boot-0003')),
        await post('/node/facts', agent).send(facts('boot-0003')),
        await post('/node/facts', other).send(facts('boot-0003')),
        await post(`/node/${id + 1000}/heartbeat`, agent).send({ boot_id: 'boot-0003' }),
        await post(`/node/${id}/heartbeat`, agent).send({ boot_id: 'boot-9999' }),
      ];
      for (const { status, type, body } of answers) {
        expect({ status, type }).toEqual({ status: 401, type: 'application/problem+json' });
        expect(body).toEqual(answers[0]?.body);
        expect(body.code).toBe('token-refused');
      }
      expect(await refusals()).toBeGreaterThan(before);
    });

    it('get no word of an admin token, nor an operator of a node token', async () => {
      const { id, agent } = await boot('boot-0004');
      await post(`/node/${id}/heartbeat`, fixture.tokens.admin).send({ boot_id: 'boot-0004' }).expect(401);
      await request(fixture.baseUrl).get('/api/v2/status').set('Authorization', `Bearer ${agent}`).expect(401);
    });
  });

  // Attack 20.
  describe('that send what no machine sends', () => {
    it.each([
      ['256 KiB', () => JSON.stringify(facts('boot-0005', { vendor: 'x'.repeat(256 * 1024) })), 413],
      ['a deep nesting', () => `${'['.repeat(10_000)}${']'.repeat(10_000)}`, 400],
      ['a depth of nine', () => JSON.stringify(facts('boot-0005', { vendor: JSON.parse(`${'['.repeat(8)}1${']'.repeat(8)}`) as unknown })), 400],
      [
        '65 NICs',
        () =>
          JSON.stringify(
            facts('boot-0005', { nics: Array.from({ length: 65 }, (_, n) => ({ name: `eth${n}`, mac: `52:54:00:78:00:${n.toString(16).padStart(2, '0')}` })) }),
          ),
        400,
      ],
      ['no NIC', () => JSON.stringify(facts('boot-0005', { nics: [] })), 400],
      ['a prototype', () => JSON.stringify(facts('boot-0005')).replace('"cpus"', '"__proto__":{"alive":true},"cpus"'), 400],
      ['a constructor', () => JSON.stringify(facts('boot-0005')).replace('"cpus"', '"constructor":{"prototype":{}},"cpus"'), 400],
      ['a number beyond 2^53', () => JSON.stringify(facts('boot-0005')).replace('8589934592', '9007199254740993'), 400],
      ['a text for a number', () => JSON.stringify(facts('boot-0005', { cpus: '4' })), 400],
      ['an unknown field', () => JSON.stringify(facts('boot-0005', { callback: 'http://169.254.169.254/' })), 400],
      ['terminal escapes', () => JSON.stringify(facts('boot-0005', { product: '\u001b]0;x\u0007' })), 400],
      ['a MAC that is none', () => JSON.stringify(facts('boot-0005', { nics: [{ name: 'eth0', mac: 'zz' }] })), 400],
    ])('are refused: %s; nothing is written', async (_what, body, status) => {
      const token = await bootToken();
      const before = await rowCounts(fixture.db);
      const answer = await post('/node/facts', token).set('Content-Type', 'application/json').send(body());
      expect(answer.status).toBe(status);
      expect(answer.type).toBe('application/problem+json');
      expect(await rowCounts(fixture.db)).toEqual(before);
    });
  });

  describe('at work', () => {
    it('get 204 when there is nothing to do, and at once when something is', async () => {
      const { id, agent } = await boot('boot-0010');
      await post(`/node/${id}/work`, agent).send({ boot_id: 'boot-0010', wait_seconds: 0 }).expect(204);
      await post(`/node/${id}/work`, agent).send({ boot_id: 'boot-0010', wait_seconds: 26 }).expect(400);
      const { runId } = await offerWork(id);
      const { body } = await post(`/node/${id}/work`, agent).send({ boot_id: 'boot-0010', wait_seconds: 25 }).expect(200);
      expect(body).toEqual({
        kind: 'script',
        run_id: runId,
        fence: 3,
        script: 'echo hi',
        env: { A: '1' },
        timeout_seconds: 60,
        lease_seconds: 30,
        log_limit_bytes: 4_000_000,
      });
    });

    it('race 25: hear of work that comes while they wait, which is asked for by them and never sent to them', async () => {
      const { id, agent } = await boot('boot-0011');
      const begun = Date.now();
      const waiting = post(`/node/${id}/work`, agent)
        .send({ boot_id: 'boot-0011', wait_seconds: 25 })
        .then((answer) => answer);
      await waitFor(async () => (await fixture.db.prisma.nodeToken.findFirstOrThrow({ where: { kind: 'agent', bootId: 'boot-0011' } })).usedAt !== null, {
        what: 'the poll to begin',
      });
      const { runId } = await offerWork(id);
      expect((await waiting).body).toMatchObject({ run_id: runId });
      expect(Date.now() - begun).toBeLessThan(10_000);
    });

    it('take no work when they went away before it came', async () => {
      const { id, agent } = await boot('boot-0012');
      const gone = new AbortController();
      const waiting = fetch(`${fixture.baseUrl}/node/${id}/work`, {
        method: 'POST',
        headers: { authorization: `Bearer ${agent}`, 'content-type': 'application/json' },
        body: JSON.stringify({ boot_id: 'boot-0012', wait_seconds: 25 }),
        signal: gone.signal,
      }).catch(() => undefined);
      await waitFor(async () => (await fixture.db.prisma.nodeToken.findFirstOrThrow({ where: { kind: 'agent', bootId: 'boot-0012' } })).usedAt !== null, {
        what: 'the poll to begin',
      });
      gone.abort();
      await waiting;
      const { runId } = await offerWork(id);
      await post(`/node/${id}/work`, agent).send({ boot_id: 'boot-0012', wait_seconds: 0 }).expect(200);
      expect((await fixture.db.prisma.agentWork.findUniqueOrThrow({ where: { runId } })).status).toBe('taken');
    });

    it('rule 17: hear of a cancel within two seconds, in the renewal that waits', async () => {
      const { id, agent } = await boot('boot-0020');
      const { runId, fence } = await offerWork(id);
      await post(`/node/${id}/work`, agent).send({ boot_id: 'boot-0020', wait_seconds: 0 }).expect(200);
      const renewal = post(`/node/${id}/runs/${runId}/renew`, agent).send({ fence, wait_seconds: 20 }).expect(409);
      const answered = renewal.then(() => performance.now());
      await waitFor(async () => (await fixture.db.prisma.agentWork.findUniqueOrThrow({ where: { runId } })).leaseUntil !== null, { what: 'the renewal' });
      const at = performance.now();
      await fixture.db.prisma.agentWork.update({ where: { runId }, data: { status: 'revoked' } });
      expect((await answered) - at).toBeLessThan(2000);
    });

    it('write a log, renew and report once; a repeated report changes nothing', async () => {
      const { id, agent } = await boot('boot-0013');
      const { runId, fence } = await offerWork(id);
      await post(`/node/${id}/work`, agent).send({ boot_id: 'boot-0013', wait_seconds: 0 }).expect(200);
      await fixture.db.prisma.runLog.create({ data: { runId, seq: 1, text: 'the jig began\n' } });
      for (const seq of [1, 2, 2])
        await post(`/node/${id}/runs/${runId}/log`, agent)
          .send({ fence, seq, text: `chunk ${seq}\n` })
          .expect(204);
      const log = await fixture.as('viewer').get(`/api/v2/runs/${runId}/logs`).expect(200);
      expect(log.body.items.map((item: { text: string }) => item.text)).toEqual(['the jig began\n', 'chunk 1\n', 'chunk 2\n']);
      expect((await post(`/node/${id}/runs/${runId}/renew`, agent).send({ fence }).expect(200)).body).toEqual({ lease_seconds: 30 });
      const stop = await post(`/node/${id}/runs/${runId}/renew`, agent)
        .send({ fence: fence + 1 })
        .expect(409);
      expect(stop.body.code).toBe('stop');
      const report = { fence, exit_status: 0, wall: { version: '1.2' } };
      expect((await post(`/node/${id}/runs/${runId}/result`, agent).send(report).expect(200)).body).toEqual({ accepted: 'taken' });
      expect((await post(`/node/${id}/runs/${runId}/result`, agent).send(report).expect(200)).body).toEqual({ accepted: 'repeated' });
    });

    it("cannot speak of another machine's work", async () => {
      const { id } = await boot('boot-0014');
      const { runId, fence } = await offerWork(id);
      const otherToken = await bootToken(ADDRESS, '52:54:00:77:00:02');
      const other = (
        await post('/node/facts', otherToken)
          .send(facts('boot-0015', { uuid: '6f0d1a51-7b4f-4a5e-9d0a-2d6a1c4b0002', serial: 'SN0002', nics: [{ name: 'eth0', mac: '52:54:00:77:00:02' }] }))
          .expect(200)
      ).body;
      const url = `/node/${other.node.id}/runs/${runId}`;
      await post(`${url}/log`, other.agent_token).send({ fence, seq: 1, text: 'x' }).expect(404);
      await post(`${url}/result`, other.agent_token).send({ fence, exit_status: 0 }).expect(404);
      await post(`${url}/renew`, other.agent_token).send({ fence }).expect(409);
      expect((await fixture.db.prisma.agentWork.findUniqueOrThrow({ where: { runId } })).status).toBe('offered');
    });
  });

  describe('that install', () => {
    async function install(bootId: string): Promise<{ id: number; installId: number; token: string }> {
      const { id } = await boot(bootId);
      const nodeRoleId = (await offerWork(id)).runId;
      return await withTransaction(fixture.db.pool, async (tx) => {
        await tx.query('DELETE FROM installs WHERE node_id = $1', [id]);
        const { installId } = await armInstall(tx, { nodeId: id, nodeRoleId, bootenv: 'debian-12', spec: {} });
        return { id, installId, token: await mintToken(tx, { kind: 'install', nodeId: id, installId, ttlSeconds: 60 }) };
      });
    }

    it('claim the disk, complete once, and get the first answer again', async () => {
      const { id, installId, token } = await install('boot-0020');
      await post(`/node/${id}/installing`, token).send({ disk: '/dev/sda', boot_id: 'boot-inst1' }).expect(204);
      const first = await post(`/node/${id}/bootenv-local`, token).send({ disk: '/dev/sda', loader_path: '\\EFI\\debian\\shimx64.efi' }).expect(200);
      expect(first.body).toEqual({
        install_id: installId,
        node: { id, name: expect.any(String) },
        disk_token: expect.any(String),
        agent: { url: 'http://127.0.0.1:8191', heartbeat_seconds: 5 },
      });
      expect((await post(`/node/${id}/bootenv-local`, token).send({}).expect(200)).body).toEqual(first.body);
      const node = await fixture.as('viewer').get(`/api/v2/nodes/${id}`).expect(200);
      expect(node.body.desired.bootenv).toBe('local');

      const started = await post(`/node/${id}/boot`, first.body.disk_token)
        .send({ boot_id: 'boot-disk1', class: 'installed', install_id: installId, os: 'debian 12', kernel: '6.1' })
        .expect(200);
      expect(started.body).toMatchObject({ node: { id }, agent_token: expect.any(String) });
      await post(`/node/${id}/heartbeat`, started.body.agent_token).send({ boot_id: 'boot-disk1' }).expect(204);
      await post(`/node/${id}/boot`, first.body.disk_token)
        .send({ boot_id: 'boot-disk1', class: 'installed', install_id: installId + 1 })
        .expect(401);
      const after = await fixture.as('viewer').get(`/api/v2/nodes/${id}`).expect(200);
      expect(after.body).toMatchObject({ alive: true, observed: { class: 'installed', phase: 'disk', boot_id: 'boot-disk1' } });
    });

    it('tell how far they are, and touch nothing by it', async () => {
      const { id, installId, token } = await install('boot-0025');
      await post(`/node/${id}/installing`, token).send({ disk: '/dev/sda', progress: 40 }).expect(204);
      await post(`/node/${id}/installing`, token).send({ disk: '/dev/sda', progress: 80 }).expect(204);
      await post(`/node/${id}/installing`, token).send({ progress: 101 }).expect(400);
      expect((await fixture.db.prisma.install.findUniqueOrThrow({ where: { id: installId } })).status).toBe('wiping');
      const { rows } = await fixture.db.pool.query<{ text: string }>(
        `SELECT detail->>'text' AS text FROM boot_events WHERE node_id = $1 AND kind = 'installing' ORDER BY id`,
        [id],
      );
      expect(rows.map((row) => row.text).slice(-2)).toEqual(['debian-12 on /dev/sda', 'debian-12 80 %']);
    });

    it('netboot rule 20: may complete with a form, and by fetching an address; HEAD, a range and a prefetch do nothing', async () => {
      const form = await install('boot-0021');
      await request(fixture.baseUrl).post(`/node/${form.id}/bootenv-local`).type('form').send({ token: form.token }).expect(200);
      const get = await install('boot-0022');
      const url = `/node/${get.id}/bootenv-local/${get.token}`;
      await request(fixture.baseUrl).head(url).expect(204);
      await request(fixture.baseUrl).get(url).set('Range', 'bytes=0-1').expect(204);
      await request(fixture.baseUrl).get(url).set('Sec-Purpose', 'prefetch').expect(204);
      await request(fixture.baseUrl).get(url).set('X-Moz', 'prefetch').expect(204);
      await request(fixture.baseUrl).put(url).expect(405);
      expect((await fixture.db.prisma.install.findUniqueOrThrow({ where: { id: get.installId } })).status).toBe('armed');
      await request(fixture.baseUrl).get(url).expect(200);
      expect((await fixture.db.prisma.install.findUniqueOrThrow({ where: { id: get.installId } })).status).toBe('completed');
    });

    it('are refused with another token, and the node stays as it was', async () => {
      const { id, installId } = await install('boot-0023');
      const { agent } = await boot('boot-0024');
      for (const token of [undefined, 'x'.repeat(43), agent, fixture.tokens.admin]) {
        const answer = await post(`/node/${id}/bootenv-local`, token).send({}).expect(401);
        expect(answer.body.code).toBe('token-refused');
      }
      await request(fixture.baseUrl)
        .get(`/node/${id}/bootenv-local/${'x'.repeat(43)}`)
        .expect(401);
      expect((await fixture.db.prisma.install.findUniqueOrThrow({ where: { id: installId } })).status).toBe('armed');
    });
  });

  it('wait no longer when the server stops', async () => {
    const { id, agent } = await boot('boot-0030');
    await fixture.db.pool.query(`UPDATE agent_work SET status = 'done' WHERE node_id = $1`, [id]);
    const waiting = post(`/node/${id}/work`, agent)
      .send({ boot_id: 'boot-0030', wait_seconds: 25 })
      .then((answer) => answer.status);
    await waitFor(async () => (await fixture.db.prisma.nodeToken.findFirstOrThrow({ where: { kind: 'agent', bootId: 'boot-0030' } })).usedAt !== null, {
      what: 'the poll to begin',
    });
    const begun = Date.now();
    await fixture.api.close();
    expect(await waiting).toBe(204);
    expect(Date.now() - begun).toBeLessThan(5_000);
  });
});
