/** The block of README.md that `--readme` replaces; nothing else of the file is touched. */
import { readFileSync, writeFileSync } from 'node:fs';
import { inProject } from '../../lib/project.mjs';

/** Replaces what stands between `<!-- bench:<name> -->` and `<!-- /bench:<name> -->`. Throws when the marks are missing. */
export function replaceBlock(text: string, name: string, content: string): string {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [from, to] = [text.indexOf(open), text.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`README.md has no block ${open} ... ${close}; add the two lines where the table should stand`);
  return `${text.slice(0, from + open.length)}\n${content}\n${text.slice(to)}`;
}

export function writeReadme(name: string, content: string): void {
  const file = inProject('README.md');
  writeFileSync(file, replaceBlock(readFileSync(file, 'utf8'), name, content));
}
