/** Changes of data and revisions as lines for people. PURE. */
import type { Revision } from '../answers.js';
import type { Look, Tone } from '../terminal/look.js';
import { printableLine } from '../terminal/text-width.js';

type Change = Revision['changes'][number];
const WORDS: Record<Change['change'], readonly [sign: string, words: string, tone: Tone]> = {
  bound: ['+', 'bound', 'active'],
  again: ['+', 'committed again', 'active'],
  data: ['~', '', 'ready'],
  unbound: ['-', 'gone', 'error'],
};

const shown = (value: unknown): string => printableLine(JSON.stringify(value) ?? '');

/** `port: 80 -> 81`, `port: 81 (new)`, `port: 80 (removed)`. */
export function changeLine({ path, before, after }: { path: string; before?: unknown; after?: unknown }): string {
  if (before === undefined) return `${printableLine(path)}: ${shown(after)} (new)`;
  return `${printableLine(path)}: ${after === undefined ? `${shown(before)} (removed)` : `${shown(before)} -> ${shown(after)}`}`;
}

/** Every changed container with its values under it. */
export function changesText(changes: readonly Change[], look: Look): string {
  return changes
    .map(({ role, node, change, values }) => {
      const [sign, words, tone] = WORDS[change];
      const name = node === null ? `${role}, for all its nodes here` : `${role}@${node}`;
      // What is gone took its data along: there is nothing to compare.
      const lines = change === 'unbound' ? [] : values.map((value) => `    ${changeLine(value)}`);
      return [`${look.paint(tone, `${sign} ${printableLine(name)}`)}${words === '' ? '' : ` ${look.paint('dim', words)}`}`, ...lines].join('\n');
    })
    .join('\n');
}
