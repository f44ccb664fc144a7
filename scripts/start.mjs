#!/usr/bin/env node
/** `npm start`: installs, builds and fetches what is missing, then runs everything (src/bin/up.ts) with the given arguments. */
import { ensureTools } from './lib/debian-tools.mjs';
import { continueAs } from './lib/launch.mjs';
import { prepare } from './lib/prepare.mjs';
import { inProject } from './lib/project.mjs';
import { main } from './lib/step.mjs';

const isReady = await main(async () => {
  await prepare();
  await ensureTools(['ipxe']);
});
if (isReady) await continueAs(inProject('dist/src/bin/up.js'), process.argv.slice(2));
