#!/usr/bin/env node
/** `npm run build`: dist/ from the sources. With --only-generate: just the packages and the Prisma client. */
import { prepare } from './lib/prepare.mjs';
import { main } from './lib/step.mjs';

await main(() => prepare({ until: process.argv.includes('--only-generate') ? 'generate' : 'build' }));
