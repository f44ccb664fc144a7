#!/usr/bin/env node
/** Part of `npm run check`: fails on an import cycle or an import against the order of DESIGN section 8. */
import { checkGraph, readGraph } from './lib/import-rules.mjs';
import { main } from './lib/step.mjs';

await main(async () => {
  const problems = checkGraph(readGraph());
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  return problems.length === 0 ? 0 : 1;
});
