#!/usr/bin/env node
/** `npx prybar`: the command line. Built on first use; its stdout is the command's alone, so the build is told on stderr. */
import { existsSync } from 'node:fs';
import { continueAs } from './lib/launch.mjs';
import { prepare } from './lib/prepare.mjs';
import { inProject } from './lib/project.mjs';
import { main } from './lib/step.mjs';

const entry = inProject('dist/src/cli/main.js');
const isReady = existsSync(entry) || (await main(() => prepare()));
if (isReady) await continueAs(entry, process.argv.slice(2));
