#!/usr/bin/env node
/**
 * Writes the generated parts of the README between their markers: the configuration table from the schema of the
 * environment, the state diagram from the transition table. `--check` writes nothing and fails when they have drifted.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { prepare } from './lib/prepare.mjs';
import { inProject } from './lib/project.mjs';
import { main } from './lib/step.mjs';

const README = inProject('README.md');

/** @param {string} text @param {string} name @param {string} body */
function between(text, name, body) {
  const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end: ${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md lacks the markers of '${name}'`);
  return `${text.slice(0, from + begin.length)}\n${body}\n${text.slice(to)}`;
}

async function configTable() {
  const { environmentSchema } = await import(inProject('dist/src/config/config.js'));
  const rows = Object.entries(environmentSchema.shape).map(([name, field]) => {
    const parsed = field.safeParse(undefined);
    const value = parsed.success && parsed.data !== undefined ? `\`${parsed.data === '' ? '(empty)' : parsed.data}\`` : 'unset';
    return `| \`${name}\` | ${value} | ${field.description ?? ''} |`;
  });
  return ['| variable | default | what it says |', '|---|---|---|', ...rows].join('\n');
}

async function stateDiagram() {
  const { NodeRoleState, isRefusal, next } = await import(inProject('dist/src/noderoles/state.js'));
  const kinds = [
    'commit',
    'parent-entered-active',
    'parent-left-active',
    'error-wave',
    'claim',
    'succeed',
    'fail-retryable',
    'fail-final',
    'poke',
    'cancel',
    'retry',
    'repropose',
  ];
  /** @type {Map<string, string[]>} */
  const arrows = new Map();
  for (const state of Object.keys(NodeRoleState))
    for (const kind of kinds)
      for (const pendingParents of [0, 1]) {
        if (state === 'TODO' && pendingParents > 0) continue;
        if (state === 'BLOCKED' && pendingParents === 0) continue;
        const move = next({ state, pendingParents, wantGen: 1, runGen: 1, slack: 0, barrier: false, destructive: false, stopping: false }, { kind });
        if (isRefusal(move) || move.to === state) continue;
        const arrow = `${state} --> ${move.to}`;
        const reasons = arrows.get(arrow) ?? [];
        if (!reasons.includes(kind)) reasons.push(kind);
        arrows.set(arrow, reasons);
      }
  const lines = [...arrows].map(([arrow, reasons]) => `    ${arrow}: ${reasons.join(', ')}`);
  return ['```mermaid', 'stateDiagram-v2', '    [*] --> PROPOSED: bind', ...lines, '```'].join('\n');
}

const isCheck = process.argv.includes('--check');
await main(async () => {
  await prepare();
  const before = readFileSync(README, 'utf8');
  const after = between(between(before, 'configuration', await configTable()), 'states', await stateDiagram());
  if (isCheck && after !== before) {
    process.stderr.write('README.md: a generated part has drifted; run node scripts/generate.mjs\n');
    return 1;
  }
  if (!isCheck) writeFileSync(README, after);
  return 0;
});
