import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runCli } from '../../../src/cli/main.js';
import * as answer from './answers.js';
import { openBench, type Bench } from './invoke.js';

let bench: Bench;
let root: string;
beforeEach(async () => {
  bench = await openBench();
  // A package whose server is a small program that leaves a note of how it was started.
  root = path.join(mkdtempSync(path.join(tmpdir(), 'prybar-up-')), 'a path with a space');
  mkdirSync(path.join(root, 'dist', 'src', 'bin'), { recursive: true });
  writeFileSync(path.join(root, 'package.json'), '{"type":"module","version":"0.0.1"}');
});
afterEach(async () => {
  await bench.close();
  rmSync(path.dirname(root), { recursive: true, force: true });
});

function putServer(program: string): void {
  writeFileSync(path.join(root, 'dist', 'src', 'bin', 'up.js'), program);
}

async function up(args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const exitCode = await runCli(['up', ...args], {
    env: { ...process.env, PRYBAR_HOME: bench.home },
    cwd: bench.home,
    packageRoot: root,
    stdout: { write: (text) => void (stdout += text) },
    stderr: { write: (text) => void (stderr += text) },
    signal: new AbortController().signal,
    now: Date.now,
  });
  return { exitCode, stdout, stderr };
}

describe('up', () => {
  it.each([
    [[], '[]'],
    [['--rack', '200', '--until-active', '--plain'], '["--rack","200","--until-active","--plain"]'],
    [['--timeout', '90', '--seed', 'x'], '["--timeout","90","--seed","x"]'],
    [['--no-rack', '--barclamps', 'mine'], '["--no-rack","--barclamps","mine"]'],
    [['--no-rack', '--interface', 'eth1', '--split'], '["--no-rack","--interface","eth1","--split"]'],
  ])('hands its arguments to the server and ends as it ends: %j', async (args, expected) => {
    putServer(`process.exit(JSON.stringify(process.argv.slice(2)) === ${JSON.stringify(expected)} ? 7 : 1);`);
    expect((await up(args)).exitCode).toBe(7);
  });

  it('reports a server that was killed as a shell would', async () => {
    putServer(`process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000);`);
    expect((await up([])).exitCode).toBe(137);
  });

  it('says what to do when this copy is not built', async () => {
    const { exitCode, stderr } = await up([]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('npm run build');
  });

  it('prints the status as JSON as soon as the server answers', async () => {
    putServer(`setTimeout(() => process.exit(0), 1500);`);
    const { exitCode, stdout } = await up(['--json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual(answer.status);
  });

  it('refuses a rack of nonsense before anything starts', async () => {
    expect((await up(['--rack', 'many'])).exitCode).toBe(2);
  });
});
