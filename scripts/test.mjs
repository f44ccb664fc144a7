#!/usr/bin/env node
/**
 * `npm test`: installs, builds and fetches what is missing, then runs Jest with the given arguments. Ends with Jest's exit
 * code; the last line on stdout counts the tests, a test file that could not be loaded as one that failed.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTools } from './lib/debian-tools.mjs';
import { prepare } from './lib/prepare.mjs';
import { inProject, projectRoot } from './lib/project.mjs';
import { main } from './lib/step.mjs';

/** Tests wait for PostgreSQL and sockets more than they compute: of two cores none is left to Jest alone. What a caller says goes before it. */
function workers() {
  const asked = process.argv.slice(2).some((arg) => /^(--maxWorkers|-w|--runInBand|-i|--config)/.test(arg));
  return asked ? [] : [`--maxWorkers=${Math.max(2, availableParallelism())}`];
}

/** @param {string[]} args @returns {Promise<number>} */
function runJest(args) {
  return new Promise((resolve, reject) => {
    const nodeOptions = [process.env['NODE_OPTIONS'], '--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
    const env = { ...process.env, NODE_OPTIONS: nodeOptions.filter(Boolean).join(' ') };
    const child = spawn(process.execPath, [inProject('node_modules/jest/bin/jest.js'), ...args], { cwd: projectRoot, env, stdio: 'inherit' });
    // The terminal's Ctrl-C reaches Jest by itself; stay to print the count. SIGTERM comes to us alone.
    process.on('SIGINT', () => {}).on('SIGTERM', () => child.kill('SIGTERM'));
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 1));
  });
}

/** @param {string} file */
function countLine(file) {
  if (!existsSync(file)) return '0 passed, 1 failed'; // Jest itself did not get to its end
  const results = JSON.parse(readFileSync(file, 'utf8'));
  const skipped = results.numPendingTests + results.numTodoTests;
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  return `${results.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

await main(async () => {
  await prepare();
  await ensureTools(['redis-server', 'ipxe', 'busybox']);
  const folder = mkdtempSync(join(tmpdir(), 'prybar-test-'));
  const resultFile = join(folder, 'results.json');
  try {
    const status = await runJest([
      ...workers(),
      ...process.argv.slice(2),
      '--json',
      `--outputFile=${resultFile}`,
      '--testLocationInResults=false',
      '--reporters=default',
    ]);
    process.stdout.write(`${countLine(resultFile)}\n`);
    // Jest that ended without its results did not get to its end, whatever its status says.
    return existsSync(resultFile) ? status : status || 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
