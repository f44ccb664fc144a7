import type { Command } from 'commander';
import type { NodeRole, Why } from '../answers.js';
import type { Cli, Session } from '../session.js';
import type { Look } from '../terminal/look.js';
import { stateGlyph, stateTone } from '../terminal/states.js';
import { printableLine } from '../terminal/text-width.js';
import { countText } from '../terminal/words.js';

/** A node may have hundreds of noderoles; the causes are few, and those in ERROR come first. */
const MOST_ANSWERS = 20;
const ORDER = ['ERROR', 'TRANSITION', 'TODO', 'BLOCKED', 'PROPOSED'];

/** The answer as a paragraph, its chain of causes indented one step each, and what to do about it. */
export function whyText(why: Why, look: Look): string {
  const { noderole, answer, chain, unblock } = why;
  const lines = [
    `${look.paint(stateTone(noderole.state), `${stateGlyph(noderole.state, look)} ${noderole.name} is ${noderole.state}`)}: ${printableLine(answer)}`,
  ];
  chain.forEach((link, depth) => lines.push(`${'  '.repeat(depth + 1)}${look.paint('faint', look.glyphs.because)} ${printableLine(link.text)}`));
  if (unblock !== '') lines.push(`${look.paint('dim', 'next:')} ${printableLine(unblock)}`);
  return lines.join('\n');
}

/** Prints one answer. */
export function printWhy({ output }: Session, why: Why): void {
  output.print(why, () => whyText(why, output.look));
}

function isNodeRoleKey(key: string): boolean {
  return key.includes('@') || /^\d+$/.test(key);
}

async function explainNode(session: Session, key: string): Promise<void> {
  const { client, output, signal } = session;
  const { items } = await client().nodeRoles.list({ node: key, limit: 1000 }, { signal });
  const place = (noderole: NodeRole): number => ORDER.indexOf(noderole.state);
  const open = items.filter((noderole) => noderole.state !== 'ACTIVE').sort((a, b) => place(a) - place(b) || a.cohort - b.cohort || a.id - b.id);
  const answers: Why[] = [];
  for (const noderole of open.slice(0, MOST_ANSWERS)) answers.push(await client().nodeRoles.why(noderole.id, { signal }));
  const list = { items: answers, next: null, total: open.length };
  output.print(list, () => {
    if (items.length === 0) return `no roles are bound to ${key}`;
    if (open.length === 0)
      return items.length === 1 ? `the one noderole of ${key} is ACTIVE` : `all ${countText(items.length, 'noderole')} of ${key} are ACTIVE`;
    return answers.map((why) => whyText(why, output.look)).join('\n\n');
  });
  if (open.length > answers.length) output.hint(`and ${open.length - answers.length} more: prybar noderoles list --node ${key}`);
}

/** `prybar why`: the chain from what is not ACTIVE down to its cause. */
export function addWhy(program: Command, cli: Cli): void {
  program
    .command('why')
    .description('why something is not ACTIVE, down to the root, and what to do')
    .argument('<what>', 'a noderole (id or role@node), or a node for everything on it that is not ACTIVE')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async (session) => {
          if (isNodeRoleKey(key)) printWhy(session, await session.client().nodeRoles.why(key, { signal: session.signal }));
          else await explainNode(session, key);
        },
        isNodeRoleKey(key) ? 'prybar noderoles list' : 'prybar nodes list',
      ),
    );
}
