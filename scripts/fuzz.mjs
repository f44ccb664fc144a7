#!/usr/bin/env node
/** `npm run fuzz -- dhcp|tftp|dns [--packets N] [--seed S]`: mutated packets for the parsers and decisions of the boot services (docs/lab.md). */
import { spawn } from 'node:child_process';
import { prepare } from './lib/prepare.mjs';
import { inProject, projectRoot } from './lib/project.mjs';
import { main } from './lib/step.mjs';

await main(async () => {
  await prepare({ until: 'generate' });
  // The collector is called before memory is looked at: what is left then is held by somebody.
  const child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', inProject('scripts/fuzz/main.ts'), ...process.argv.slice(2)], {
    cwd: projectRoot,
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 1));
  });
});
