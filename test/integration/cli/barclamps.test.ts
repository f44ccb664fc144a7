/** `prybar barclamps` against the real API, with the worked example of docs/barclamps.md. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { roleCode } from '../../../src/bin/role-code.js';
import { runCli } from '../../../src/cli/main.js';
import { loadBarclamps } from '../../../src/roles/load.js';
import { importBarclamps } from '../../../src/roles/store.js';
import { startApi, type ApiFixture } from '../api/api-fixture.js';

let api: ApiFixture;
let example: string;
beforeAll(async () => {
  // Of the hooks only their names are read.
  const code = roleCode({ db: {}, doorbell: {} } as never);
  api = await startApi({ roleCode: code });
  await importBarclamps(api.db.pool, await loadBarclamps('src/roles/catalog'), { code });
  example = /<!-- example -->\n```yaml\n(.*?)```/s.exec(await readFile('docs/barclamps.md', 'utf8'))?.[1] ?? '';
});
afterAll(() => api.close());

async function prybar(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const exitCode = await runCli(args, {
    env: { LANG: 'C.UTF-8', PRYBAR_HOME: api.home, PRYBAR_URL: api.baseUrl, PRYBAR_TOKEN: api.tokens.admin },
    cwd: api.home,
    packageRoot: process.cwd(),
    stdout: { write: (text) => void (stdout += text) },
    stderr: { write: (text) => void (stderr += text) },
    signal: new AbortController().signal,
    now: Date.now,
  });
  return { exitCode, stdout, stderr };
}

async function write(folder: string, text: string): Promise<string> {
  await mkdir(path.join(api.home, folder), { recursive: true });
  await writeFile(path.join(api.home, folder, 'barclamp.yml'), text);
  return folder;
}

describe('the worked example of the documentation', () => {
  it('is imported as it stands, without a warning, by the folder it is in', async () => {
    await write('metrics', example);
    const { exitCode, stdout, stderr } = await prybar('barclamps', 'import', 'metrics');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toBe('metrics imported\n  new: time-source, chrony, metrics-store, metrics-agent, application, burn-in\n');
    expect((await prybar('barclamps', 'import', '.')).stdout).toContain('  unchanged: time-source,');
  });

  it('means what the documentation says of it', async () => {
    const shown = async (role: string) => (await prybar('roles', 'show', role)).stdout;
    expect(await shown('application')).toMatch(/requires +chrony, metrics-agent\n/);
    expect(await shown('metrics-agent')).toMatch(/requires +metrics-store\n/);
    expect(await shown('metrics-agent')).toMatch(/wants +metrics-port of metrics-store, as store\.port\n/);
    expect(await shown('burn-in')).toMatch(/goes after +metrics-agent\n/);
    expect(await shown('barrier-metrics-store')).toMatch(/barrier of +metrics-store, opened by 2 members\n/);
    expect(await shown('metrics-store')).toMatch(/retry +5 attempts, pause 2 s, doubled up to 60 s; not after disk-too-small\n/);
    expect(await shown('chrony')).toContain('systemctl enable --now chrony');
  });

  it('comes back as a file that changes nothing when it is imported again', async () => {
    const { stdout } = await prybar('barclamps', 'show', 'metrics', '--yaml');
    expect(stdout.trimEnd()).toContain('barrier:\n      quorum: 2');
    await write('again', stdout);
    expect((await prybar('barclamps', 'import', 'again')).stdout).toBe(
      'metrics imported\n  unchanged: time-source, chrony, metrics-store, metrics-agent, application, burn-in\n',
    );
    expect((await prybar('barclamps', 'show', 'metrics', '--yaml')).stdout).toBe(stdout);
  });
});

describe('prybar barclamps', () => {
  it('lists what is imported and where it comes from', async () => {
    const { stdout } = await prybar('barclamps', 'list');
    expect(stdout).toMatch(/crowbar +1 +built-in/);
    expect(stdout).toMatch(/metrics +1 +api/);
  });

  it.each<[string, string, string[]]>([
    [
      'a key',
      'barclamp: { name: bad }\nroles: [{ name: bad, jig: noop, want-attribs: [] }]',
      ['bad/barclamp.yml: roles.0 (bad).want-attribs', 'nearest is wants-attribs'],
    ],
    ['a jig', 'barclamp: { name: bad }\nroles: [{ name: bad, jig: chef }]', ["no jig 'chef'", 'noop, role-provided, script, test']],
    ['a function', 'barclamp: { name: bad }\nroles: [{ name: bad, jig: role-provided }]', ['no code provides', 'provisioner-os-install']],
    ['a hook', 'barclamp: { name: bad }\nroles: [{ name: bad, jig: noop, hooks: [onActive] }]', ["'onActive'"]],
    [
      'a soft order',
      'barclamp: { name: bad }\nroles: [{ name: bad, jig: noop, requires: [application], precedes: [chrony] }]',
      ['bad requires application', 'application requires chrony', 'bad precedes chrony'],
    ],
  ])('says what is wrong with %s, and changes nothing', async (_case, text, words) => {
    await write('files/bad', text);
    const { exitCode, stderr, stdout } = await prybar('barclamps', 'import', 'files');
    expect(stdout).toBe('');
    expect(exitCode).not.toBe(0);
    for (const word of words) expect(stderr).toContain(word);
    expect((await prybar('roles', 'show', 'bad')).exitCode).toBe(1);
  });

  it('says what to do with a path that holds no barclamp', async () => {
    expect(await prybar('barclamps', 'import', 'nowhere')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('cannot be read') });
    await mkdir(path.join(api.home, 'hollow'), { recursive: true });
    expect(await prybar('barclamps', 'import', 'hollow')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('barclamp.yml') });
  });

  it('takes one away', async () => {
    await write('gone', 'barclamp: { name: gone }\nroles: [{ name: gone, jig: noop }]');
    await prybar('barclamps', 'import', 'gone');
    expect(await prybar('barclamps', 'remove', 'gone')).toMatchObject({ exitCode: 0, stderr: 'gone removed\n' });
    expect((await prybar('barclamps', 'remove', 'crowbar')).stderr).toContain('ships with Prybar');
  });
});
