#!/usr/bin/env node
/** `npm run simulate -- --seeds 5000`: histories of the engine's core on a virtual clock; a seed that breaks is shrunk and printed (docs/chaos.md). */
import { spawn } from 'node:child_process';
import { prepare } from './lib/prepare.mjs';
import { inProject, projectRoot } from './lib/project.mjs';
import { main } from './lib/step.mjs';

await main(async () => {
  await prepare({ until: 'generate' });
  const child = spawn(process.execPath, ['--import', 'tsx', inProject('test/unit/simulation/main.ts'), ...process.argv.slice(2)], {
    cwd: projectRoot,
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 1));
  });
});
