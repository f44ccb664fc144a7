import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as answer from './answers.js';
import { openBench, type Bench } from './invoke.js';
import { TOKEN } from './stub-api.js';

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.close());

const lastRequest = () => bench.api.requests.at(-1);

describe('exit codes', () => {
  it('is 1 when the server refuses, with the fields that are wrong and the next command', async () => {
    bench.api.answers.set('PUT /api/v2/deployments/demo/commit', {
      status: 409,
      body: {
        type: 'about:blank',
        title: 'conflict',
        status: 409,
        detail: 'deployment demo is empty',
        code: 'conflict',
        errors: [{ field: 'noderoles', message: 'at least one is needed' }],
      },
    });
    const { exitCode, stdout, stderr } = await bench.prybar(['deployments', 'commit', 'demo']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(
      'error: deployment demo is empty\n  noderoles: at least one is needed\nnext: bind something first: prybar deployments bind demo NODE --role ROLE',
    );
  });

  it.each([
    [['nodez'], 'Did you mean nodes?', 'prybar --help'],
    [['noderoles', 'retyr', '12'], 'Did you mean retry?', 'prybar noderoles --help'],
    [['nodes', 'list', '--stat', 'ERROR'], 'Did you mean --state?', 'prybar nodes list --help'],
    [['nodes', 'list', '--state', 'bogus'], 'Allowed: ACTIVE, TRANSITION, TODO, BLOCKED, PROPOSED, ERROR', 'prybar nodes list --help'],
    [['nodes', 'power', 'rack-n002', 'explode'], 'Allowed choices are on, off, cycle', 'prybar nodes power --help'],
    [['nodes', 'list', '--limit', '1001'], 'from 1 to 1000', 'prybar nodes list --help'],
    [['deployments', 'bind', 'demo', 'rack-n002'], "required option '--role <role>'", 'prybar deployments bind --help'],
    [['deployments', 'bind', 'demo', 'rack-n002', '--role', 'r', '--data', '{'], '--data: not JSON', 'single quotes'],
    [['noderoles', 'set-data', '12', '[1]'], '<json>: it must be a JSON object', 'single quotes'],
    [['runs', 'logs', 'rack-n002'], "'rack-n002' is no run", 'prybar runs list'],
    [['status', '--url', 'localhost:8190'], "--url: 'localhost:8190' is not the address of a server", 'http://127.0.0.1:8190'],
  ])('is 2 for a wrong command line, which is explained: %j', async (args, explanation, next) => {
    const { exitCode, stdout, stderr } = await bench.prybar(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(explanation);
    expect(stderr).toContain(next);
  });

  it('is 2 when the server says that a value is not valid', async () => {
    bench.api.answers.set('POST /api/v2/deployments', {
      status: 400,
      body: {
        type: 'about:blank',
        title: 'x',
        status: 400,
        detail: 'not valid',
        code: 'validation-failed',
        errors: [{ field: 'name', message: 'small letters' }],
      },
    });
    const { exitCode, stderr } = await bench.prybar(['deployments', 'create', 'DEMO']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('  name: small letters');
  });

  it('is 3 when no server answers, with how to start one', async () => {
    await bench.api.close();
    const { exitCode, stderr } = await bench.prybar(['status']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(`no Prybar answers at ${bench.api.url}`);
    expect(stderr).toContain('prybar up');
    bench = await openBench();
  });

  it('is 4 when the token is refused', async () => {
    const { exitCode, stderr } = await bench.prybar(['status'], { env: { PRYBAR_TOKEN: 'wrong' } });
    expect(exitCode).toBe(4);
    expect(stderr).toContain('PRYBAR_TOKEN');
    expect(stderr).not.toContain('wrong');
  });

  it('is 4 when there is no token', async () => {
    const { exitCode, stderr } = await bench.prybar(['status', '--home', path.join(bench.home, 'elsewhere')]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('admin-token does not exist');
  });

  it('is 0 for help and version', async () => {
    expect(await bench.prybar(['--version'])).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect((await bench.prybar(['deployments', 'commit', '--help'])).stdout).toContain('--watch');
  });
});

describe('the connection', () => {
  it('takes the address from --url before PRYBAR_URL before the url file', async () => {
    writeFileSync(path.join(bench.home, 'url'), 'http://127.0.0.1:9\n');
    const env = { PRYBAR_URL: bench.api.url };
    expect((await bench.prybar(['status'], { env })).exitCode).toBe(0);
    expect((await bench.prybar(['status', '--url', `${bench.api.url}/`])).exitCode).toBe(0);
    expect((await bench.prybar(['status'])).exitCode).toBe(3);
  });

  it('takes the token from a named file before PRYBAR_TOKEN before the admin-token file', async () => {
    const file = path.join(bench.home, 'other-token');
    writeFileSync(file, `${TOKEN}\n`);
    expect((await bench.prybar(['status', '--token-file', file], { env: { PRYBAR_TOKEN: 'wrong' } })).exitCode).toBe(0);
    writeFileSync(path.join(bench.home, 'admin-token'), 'wrong');
    expect((await bench.prybar(['status'], { env: { PRYBAR_TOKEN: TOKEN } })).exitCode).toBe(0);
    expect((await bench.prybar(['status'])).exitCode).toBe(4);
  });

  it('says so when the token file belongs to someone else', async () => {
    const file = path.join(bench.home, 'admin-token');
    chmodSync(file, 0o000);
    const { exitCode, stderr } = await bench.prybar(['status']);
    // root may read everything
    expect(exitCode).toBe(process.getuid?.() === 0 ? 0 : 4);
    if (exitCode === 4) expect(stderr).toContain('cannot be read (EACCES)');
  });

  it('has no option that takes a token', async () => {
    const { exitCode } = await bench.prybar(['status', '--token', 'x']);
    expect(exitCode).toBe(2);
  });
});

describe('lists', () => {
  it('pass their filters and paging on', async () => {
    await bench.prybar([
      'nodes',
      'list',
      '--deployment',
      'demo',
      '--no-alive',
      '--state',
      'error',
      '--phase',
      'dhcp',
      '--search',
      '52:54',
      '--limit',
      '7',
      '--after',
      'c1',
    ]);
    expect(Object.fromEntries(lastRequest()?.query ?? [])).toEqual({
      deployment: 'demo',
      alive: 'false',
      state: 'ERROR',
      phase: 'dhcp',
      q: '52:54',
      limit: '7',
      after: 'c1',
    });
  });

  it('say how to see the rest', async () => {
    bench.api.answers.set('GET /api/v2/nodes', { body: { items: [answer.node(1, 'rack-n001', true)], next: 'c2', total: 200 } });
    const { stdout, stderr } = await bench.prybar(['nodes', 'list', '--limit', '1']);
    expect(stdout).toContain('rack-n001');
    expect(stderr).toContain('1 of 200 shown; next page: --after c2; every row: --all');
  });

  it('read every page with --all', async () => {
    bench.api.answers.set('GET /api/v2/nodes', ({ query }) => {
      const second = query.get('after') === 'c2';
      return { body: { items: [answer.node(second ? 2 : 1, second ? 'rack-n002' : 'rack-n001', true)], next: second ? null : 'c2', total: 2 } };
    });
    const { stdout } = await bench.prybar(['nodes', 'list', '--all', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ items: [{ name: 'rack-n001' }, { name: 'rack-n002' }], next: null, total: 2 });
  });

  it('say what to do when there is nothing', async () => {
    bench.api.answers.set('GET /api/v2/deployments', { body: answer.page([]) });
    expect(await bench.prybar(['deployments', 'list'])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: expect.stringContaining('prybar deployments create NAME'),
    });
  });

  it('fit the terminal they are shown on', async () => {
    const { stdout } = await bench.prybar(['nodes', 'list'], { tty: { columns: 70, rows: 24 }, env: { NO_COLOR: '1' } });
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(70);
  });
});

describe('requests', () => {
  it('bind every role to every node', async () => {
    await bench.prybar(['deployments', 'bind', 'demo', 'n1', 'n2', '--role', 'a', '--role', 'b', '--data', '{"x":1}']);
    expect(bench.api.requests.map(({ body }) => body)).toEqual(
      ['a', 'b'].flatMap((role) => ['n1', 'n2'].map((node) => ({ role, node, deployment: 'demo', data: { x: 1 } }))),
    );
  });

  it('read data from a file', async () => {
    writeFileSync(path.join(bench.home, 'data.json'), '{"packages":["vim"]}');
    await bench.prybar(['noderoles', 'set-data', '12', '@data.json']);
    expect(lastRequest()).toMatchObject({ method: 'PUT', path: '/api/v2/node_roles/12', body: { data: { packages: ['vim'] } } });
  });

  it('take the password of a BMC from a file or the environment, never from the command line', async () => {
    const file = path.join(bench.home, 'password');
    writeFileSync(file, 'correct horse\n');
    const args = ['nodes', 'bmc', 'rack-n002', '--driver', 'ipmi', '--address', '10.0.0.9', '--username', 'admin'];
    await bench.prybar([...args, '--password-file', file]);
    expect(lastRequest()?.body).toEqual({ driver: 'ipmi', address: '10.0.0.9', port: 623, username: 'admin', password: 'correct horse' });
    await bench.prybar(args, { env: { PRYBAR_BMC_PASSWORD: 'battery' } });
    expect(lastRequest()?.body).toMatchObject({ password: 'battery' });
    expect((await bench.prybar([...args, '--password', 'x'])).exitCode).toBe(2);
  });

  it('find the newest run of a noderole, and end like it when its log is followed', async () => {
    const { exitCode, stdout, stderr } = await bench.prybar(['runs', 'logs', 'base-packages@rack-n002', '--follow']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: 'installing nginx\n' });
    expect(stderr).toContain('run 31 failed: the script ended with exit status 3');
  });

  it('explain a node by every noderole on it that is not ACTIVE', async () => {
    const { stdout } = await bench.prybar(['why', 'rack-n002']);
    expect(stdout).toBe(
      [
        '✗ base-packages@rack-n002 is ERROR: its last run failed: the script ended with exit status 3',
        '  └ run 31, attempt 3 of 3, exit status 3',
        'next: read prybar runs logs 31, set it right, then prybar noderoles retry 12',
        '',
      ].join('\n'),
    );
  });
});
