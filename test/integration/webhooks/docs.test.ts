import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sign } from '../../../src/webhooks/signature.js';

const run = promisify(execFile);
const SECRET = 'whsec_of-the-tests-only';
let directory: string;
let page: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'prybar-docs-'));
  page = await readFile('docs/webhooks.md', 'utf8');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const block = (language: string): string => new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? '';
const body = '{"name":"Zürich","n":1}';
const now = () => Math.floor(Date.now() / 1000);
/** Header, body, and whether it is ours. */
const cases = (): [string, string, boolean][] => [
  [sign(SECRET, now(), body), body, true],
  [sign(SECRET, now(), body), `${body} `, false],
  [sign('another', now(), body), body, false],
  [sign(SECRET, now() - 400, body), body, false],
  ['nonsense', body, false],
  ['', body, false],
];

/** Runs the recipe with `call` appended for every case; answers what it said. */
async function answersOf(program: string, file: string, text: string): Promise<string[]> {
  await writeFile(path.join(directory, file), text);
  const { stdout } = await run(program, [path.join(directory, file)]);
  return stdout.trim().split('\n');
}

describe('the recipes of docs/webhooks.md', () => {
  it('node', async () => {
    const calls = cases().map(
      ([header, text]) => `console.log(isFromPrybar(${JSON.stringify(SECRET)}, ${JSON.stringify(header)}, Buffer.from(${JSON.stringify(text)})));`,
    );
    expect(await answersOf(process.execPath, 'recipe.mjs', `${block('js')}\n${calls.join('\n')}`)).toEqual(cases().map(([, , ours]) => String(ours)));
  });

  it('python', async () => {
    const has = await run('python3', ['--version']).then(
      () => true,
      () => false,
    );
    if (!has) {
      process.stderr.write('left out: the Python recipe of docs/webhooks.md (no python3 here)\n');
      return;
    }
    const calls = cases().map(
      ([header, text]) => `print(is_from_prybar(${JSON.stringify(SECRET)}, ${JSON.stringify(header)}, ${JSON.stringify(text)}.encode()))`,
    );
    const wanted = cases().map(([, , ours]) => (ours ? 'True' : 'False'));
    expect(await answersOf('python3', 'recipe.py', `${block('python')}\n${calls.join('\n')}`)).toEqual(wanted);
  });
});
