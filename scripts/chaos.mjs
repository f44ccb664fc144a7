#!/usr/bin/env node
/** `npm run chaos`: builds what is missing, then breaks everything under Prybar by a seed and checks what came of it (docs/chaos.md). */
import { spawn } from 'node:child_process';
import { ensureTools } from './lib/debian-tools.mjs';
import { prepare } from './lib/prepare.mjs';
import { inProject, projectRoot } from './lib/project.mjs';
import { main } from './lib/step.mjs';

await main(async () => {
  await prepare();
  await ensureTools(['redis-server']);
  const args = ['--import', 'tsx', inProject('test/chaos/main.ts'), ...process.argv.slice(2)];
  const child = spawn(process.execPath, args, { cwd: projectRoot, stdio: 'inherit' });
  // It closes what it has opened; the terminal's Ctrl-C reaches it by itself.
  process.on('SIGINT', () => {}).on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 1));
  });
});
