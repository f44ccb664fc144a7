/** Commands that work on this machine's files: the program behind them (src/bin/local.ts), and what is shown of its answers. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runCli } from '../../../src/cli/main.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'prybar-local-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs the program from its sources. */
async function local(...args: string[]): Promise<{ status: number; answer: Record<string, unknown> }> {
  return new Promise((resolve) => {
    const env = { ...process.env, NODE_OPTIONS: '', PRYBAR_HOME: path.join(directory, 'home') };
    execFile(process.execPath, ['--import', 'tsx', 'src/bin/local.ts', ...args], { env }, (error, stdout) => {
      resolve({ status: error === null ? 0 : Number(error.code), answer: JSON.parse(stdout) as Record<string, unknown> });
    });
  });
}

describe('src/bin/local.ts', () => {
  it('netboot rule 14: the doctor names what is missing and the fix, and ends with 1', async () => {
    const { status, answer } = await local('doctor');
    expect(status).toBe(1);
    expect(answer['items']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ area: 'loaders', name: 'snponly.efi', state: 'missing', fix: 'npm run setup' }),
        expect.objectContaining({ area: 'images', name: 'discovery/linux', state: 'missing', fix: 'npm run images' }),
        expect.objectContaining({
          area: 'images',
          name: 'rocky-9/vmlinuz',
          state: 'warning',
          fix: expect.stringContaining('prybar bootenvs import rocky-9 --url https://'),
        }),
      ]),
    );
  });

  it('check ends with 0 when all bootenvs render', async () => {
    const { status, answer } = await local('bootenvs-check');
    expect(status).toBe(0);
    expect(answer['items']).toContainEqual(expect.objectContaining({ name: 'debian-12', valid: true, available: false }));
  });

  it.each([
    ['an unknown bootenv', ['bootenvs-import', '--iso=/x', '--sha256=0', '--', '-x'], 'not-found', /no bootenv '-x'/],
    ['no source', ['bootenvs-import', '--sha256=0', '--', 'rocky-9'], 'validation-failed', /one of --iso, --url and --file/],
    ['a folder that is not there', ['bootenvs-check', '--', '/nonexistent'], 'validation-failed', /\/nonexistent is not there/],
  ])('refuses %s in words', async (_what, args, code, detail) => {
    const { status, answer } = await local(...args);
    expect([status, answer]).toEqual([1, { problem: { code, detail: expect.stringMatching(detail) } }]);
  });
});

describe('the command line around it', () => {
  /** A copy of the program that answers what the test says, and repeats its arguments. */
  async function prybar(args: string[], answer: unknown, status = 0): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    const folder = path.join(directory, 'copy', 'dist', 'src', 'bin');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'local.js'), `process.stdout.write(${JSON.stringify(JSON.stringify(answer))}); process.exitCode = ${status};`);
    await writeFile(path.join(directory, 'copy', 'package.json'), '{"version":"0.0.0","type":"module"}');
    let stdout = '';
    let stderr = '';
    const exitCode = await runCli(args, {
      env: { PATH: process.env['PATH'] },
      cwd: directory,
      packageRoot: path.join(directory, 'copy'),
      stdout: { write: (text: string) => ((stdout += text), true) },
      stderr: { write: (text: string) => ((stderr += text), true) },
      signal: new AbortController().signal,
      now: Date.now,
    });
    return { exitCode, stdout, stderr };
  }

  const findings = { items: [{ area: 'loaders', name: 'local.efi', state: 'missing', detail: 'not there', fix: 'npm run setup' }] };

  it('shows the findings of the doctor as a table, and as they are with --json', async () => {
    const shown = await prybar(['doctor'], findings, 1);
    expect(shown.exitCode).toBe(1);
    expect(shown.stdout).toMatch(/loaders +local\.efi +missing +not there +npm run setup/);
    expect(JSON.parse((await prybar(['doctor', '--json'], findings, 1)).stdout)).toEqual(findings);
  });

  it('shows what bootenvs check found', async () => {
    const items = [{ name: 'mine', valid: false, available: false, archs: ['x86_64'], problems: ['ks.cfg does not render: undefined variable: x'] }];
    const shown = await prybar(['bootenvs', 'check', '/srv/mine'], { items }, 1);
    expect([shown.exitCode, shown.stdout]).toEqual([1, expect.stringMatching(/mine +no +no +ks\.cfg does not render/)]);
    expect((await prybar(['bootenvs', 'check', '/srv/mine'], { items: [] })).stdout).toBe('no bootenvs there\n');
  });

  it('shows where an import has put its files, and a refusal as any other', async () => {
    const imported = { bootenv: 'rocky-9', files: [{ file: 'vmlinuz', bytes: 7, path: '/srv/vmlinuz' }] };
    const args = ['bootenvs', 'import', 'rocky-9', '--iso', '/x.iso', '--sha256', '00'];
    expect((await prybar(args, imported)).stdout).toBe('/srv/vmlinuz (7 bytes)\n');
    const refused = await prybar(args, { problem: { code: 'validation-failed', detail: 'sha256: 64 hex digits' } }, 1);
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining('sha256: 64 hex digits')]);
    expect((await prybar(['bootenvs', 'import', 'rocky-9', '--iso', '/x.iso'], imported)).exitCode).toBe(2);
  });
});
