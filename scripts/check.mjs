#!/usr/bin/env node
/** `npm run check`: what has to hold before a commit, apart from the integration tests. Runs every part and then names those that failed. */
import { existsSync } from 'node:fs';
import { prepare } from './lib/prepare.mjs';
import { inProject, projectRoot } from './lib/project.mjs';
import { main, run, step } from './lib/step.mjs';

/** @param {string} path @param {string[]} args */
const node = (path, ...args) => [inProject(path), ...args];

const tsc = 'node_modules/typescript/bin/tsc';

/** @returns {Promise<[title: string, args: string[]][]>} */
async function listParts() {
  const web = inProject('src/web/tsconfig.json');
  const generate = inProject('scripts/generate.mjs');
  return [
    ['the lock file is complete', node('scripts/complete-lock.mjs', '--check')],
    ['format', node('node_modules/oxfmt/bin/oxfmt', '-c', 'scripts/oxfmt.json', '--list-different', '.', '!**/*.md')],
    ['lint', node('node_modules/oxlint/bin/oxlint', '-c', 'scripts/oxlint.json', '--type-aware', '--deny-warnings', '--quiet', '.')],
    ['types of the product', node(tsc, '-p', 'tsconfig.json', '--noEmit', '--pretty', 'false')],
    ['types of tests and scripts', node(tsc, '-p', 'tsconfig.check.json', '--pretty', 'false')],
    ...(existsSync(web) ? [['types of the web page', node(tsc, '-p', web, '--noEmit', '--pretty', 'false')]] : []),
    ['import order', node('scripts/check-imports.mjs')],
    ...(existsSync(generate) ? [['generated files are unchanged', [generate, '--check']]] : []),
    ['unit tests', ['--experimental-vm-modules', inProject('node_modules/jest/bin/jest.js'), '--selectProjects', 'unit', '--silent']],
  ].map(([title, args]) => /** @type {[string, string[]]} */ ([title, args]));
}

await main(async () => {
  await prepare({ until: 'generate' });
  /** @type {string[]} */
  const failed = [];
  for (const [title, args] of await listParts()) {
    try {
      const env = { ...process.env, NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --disable-warning=ExperimentalWarning`.trim() };
      await step(title, (note) => run(process.execPath, args, { cwd: projectRoot, env, onLine: note }));
    } catch (error) {
      failed.push(title);
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  process.stderr.write(failed.length === 0 ? 'check: all well\n' : `check: failed: ${failed.join('; ')}\n`);
  return failed.length === 0 ? 0 : 1;
});
