/** The commands against the real API on a real database: what the stub answers elsewhere must be what the server answers. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runBoard } from '../../../src/cli/board/live.js';
import { runCli } from '../../../src/cli/main.js';
import { createClient } from '../../../src/client/client.js';
import { defineRoles, startApi, type ApiFixture } from '../api/api-fixture.js';

let api: ApiFixture;
beforeAll(async () => {
  api = await startApi();
  await defineRoles(api.db, { base: [], app: ['base'] });
});
afterAll(() => api.close());

async function prybar(args: string[], token = api.tokens.admin): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const exitCode = await runCli(args, {
    env: { LANG: 'C.UTF-8', PRYBAR_HOME: api.home, PRYBAR_URL: api.baseUrl, PRYBAR_TOKEN: token },
    cwd: api.home,
    packageRoot: process.cwd(),
    stdout: { write: (text) => void (stdout += text) },
    stderr: { write: (text) => void (stderr += text) },
    signal: new AbortController().signal,
    now: Date.now,
  });
  return { exitCode, stdout, stderr };
}

describe('the command line and the real server', () => {
  it('take a deployment from nothing to committed', async () => {
    await api
      .as('admin')
      .post('/api/v2/nodes')
      .send({ name: 'n1', macs: ['52:54:00:00:00:01'] })
      .expect(201);
    expect(await prybar(['deployments', 'create', 'shop'])).toMatchObject({ exitCode: 0, stdout: 'shop created\n' });
    expect(await prybar(['deployments', 'bind', 'shop', 'n1', '--role', 'app'])).toMatchObject({ exitCode: 0, stdout: '2 noderoles proposed for app@n1\n' });
    expect(await prybar(['deployments', 'commit', 'shop'])).toMatchObject({ exitCode: 0, stdout: 'shop committed, revision 1: 2 noderoles\n' });
    const { stdout } = await prybar(['noderoles', 'list', '--deployment', 'shop']);
    expect(stdout).toMatch(/base@n1 +TODO/);
    expect(stdout).toMatch(/app@n1 +BLOCKED/);
  });

  it('explain what does not run, by noderole and by node', async () => {
    expect((await prybar(['why', 'app@n1'])).stdout).toContain('app@n1 is BLOCKED');
    const { exitCode, stdout } = await prybar(['why', 'n1']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('base@n1 is TODO');
  });

  it.each([
    ['status'],
    ['anneal'],
    ['nodes list'],
    ['nodes show n1'],
    ['nodes timeline n1'],
    ['nodes list --search 52:54 --no-alive --all'],
    ['deployments list'],
    ['deployments show shop'],
    ['roles list'],
    ['roles show app'],
    ['noderoles show app@n1'],
    ['noderoles list --node n1 --role app --state BLOCKED'],
    ['runs list'],
    ['runs list --noderole app@n1 --status QUEUED'],
    ['bootenvs list'],
    ['caps list'],
    ['dhcp external list'],
    ['dhcp snippet --for kea'],
  ])('agree on `%s`, as text and as JSON', async (line) => {
    expect(await prybar(line.split(' '))).toMatchObject({ exitCode: 0 });
    const { exitCode, stdout } = await prybar([...line.split(' '), '--json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toBeInstanceOf(Object);
  });

  it.each<[string, number, string]>([
    ['deployments create Shop', 2, 'name'],
    ['deployments create shop', 1, 'shop'],
    ['deployments bind shop n1 --role nothing', 2, 'nothing'],
    ['deployments bind shop n9 --role app', 2, 'n9'],
    ['nodes show n9', 1, 'prybar nodes list'],
    ['noderoles retry app@n1', 1, 'prybar noderoles why app@n1'],
    ['nodes list --after nonsense', 2, 'after'],
    ['events --after %%', 2, 'after'],
  ])('agree on how `%s` fails', async (line, exitCode, mentioned) => {
    const outcome = await prybar(line.split(' '));
    expect(outcome).toMatchObject({ exitCode, stdout: '', stderr: expect.stringContaining(mentioned) });
  });

  it('refuse a commit of an empty deployment with what to do', async () => {
    await prybar(['deployments', 'create', 'empty']);
    const { exitCode, stderr } = await prybar(['deployments', 'commit', 'empty']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('next: bind something first');
  });

  it('refuse a viewer what only an operator may do', async () => {
    expect((await prybar(['nodes', 'list'], api.tokens.viewer)).exitCode).toBe(0);
    const { exitCode, stderr } = await prybar(['deployments', 'create', 'mine'], api.tokens.viewer);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('wider scope');
  });

  it('agree on what the live board reads, down to the reasons', async () => {
    let text = '';
    const { outcome, reasons } = await runBoard({
      client: createClient({ baseUrl: api.baseUrl, token: api.tokens.viewer }),
      home: api.home,
      url: api.baseUrl,
      tokenFile: `${api.home}/admin-token`,
      signal: new AbortController().signal,
      out: { write: (part) => void (text += part) },
      untilActive: true,
      deploymentName: 'shop',
      expectNodes: 1,
      timeoutSeconds: 1,
      env: {},
    });
    expect(outcome).toBe('error');
    expect(text).toContain('0/1 nodes alive (unseen 1); shop: 0/2 noderoles active, 0 running, 1 ready, 1 blocked, 0 error');
    expect(reasons).toEqual([
      expect.stringContaining('not all ACTIVE after'),
      expect.stringContaining('base@n1 is TODO'),
      expect.stringContaining('app@n1 is BLOCKED'),
    ]);
  });

  it('say how many were given other data, where a commit brings nothing else', async () => {
    expect(await prybar(['noderoles', 'set-data', 'app@n1', '{"colour":"red"}'])).toMatchObject({ exitCode: 0 });
    expect((await prybar(['deployments', 'commit', 'shop'])).stdout).toBe('shop committed, revision 2: 1 noderole with changed data\n');
  });

  it('recall and delete what was made', async () => {
    expect(await prybar(['noderoles', 'propose', 'app@n1'])).toMatchObject({ exitCode: 0 });
    expect(await prybar(['deployments', 'recall', 'shop'])).toMatchObject({ exitCode: 0 });
    expect((await prybar(['deployments', 'delete', 'shop'])).stderr).toContain('prybar deployments propose shop');
    expect((await prybar(['deployments', 'propose', 'shop'])).stdout).toBe('shop: 1 noderole taken back to PROPOSED\n');
    expect(await prybar(['deployments', 'delete', 'shop'])).toMatchObject({ exitCode: 0 });
    expect(await prybar(['deployments', 'delete', 'empty'])).toMatchObject({ exitCode: 0, stdout: '' });
    expect((await prybar(['deployments', 'show', 'empty'])).exitCode).toBe(1);
  });
});
