#!/usr/bin/env node
/** `npm run setup`: everything that `npm start` and `npm test` would fetch, beforehand. With --system: Debian's packages by apt-get install, as root. */
import { ensureTools, installOnSystem, toolNames } from './lib/debian-tools.mjs';
import { ensureLoaders } from './lib/loaders.mjs';
import { prepare } from './lib/prepare.mjs';
import { main } from './lib/step.mjs';

await main(async () => {
  await prepare();
  if (process.argv.includes('--system')) await installOnSystem(toolNames);
  const tools = await ensureTools(toolNames);
  await ensureLoaders();
  for (const [name, tool] of Object.entries(tools)) process.stdout.write(`${name}: ${tool.path}\n`);
});
