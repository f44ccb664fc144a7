/** What all lists have in common: paging options, reading all pages, the table and the line that says what is not shown. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Page, PageQuery } from './answers.js';
import type { Session } from './session.js';
import { renderTable, type Column } from './table.js';

export type ListOptions = { limit?: number; all?: boolean; after?: string };

const DEFAULT_LIMIT = 50;
/** The API's own bound. */
const LARGEST_PAGE = 1000;

/** A parser of whole numbers within bounds, for options and arguments. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** A parser of one of some words, whatever their case. */
export function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const found = words.find((word) => word.toLowerCase() === text.toLowerCase());
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Allowed: ${words.join(', ')}.`);
  };
}

/** Adds --limit, --all and --after. */
export function withPaging(command: Command): Command {
  return command
    .addOption(new Option('--limit <n>', `rows at most (default ${DEFAULT_LIMIT})`).argParser(wholeNumber(1, LARGEST_PAGE)))
    .option('--all', 'every row, page after page')
    .option('--after <cursor>', 'go on after this cursor, the `next` of the page before');
}

/** Reads one page, or with --all every page as one. */
export async function readList<Item>(options: ListOptions, page: (query: PageQuery) => Promise<Page<Item>>): Promise<Page<Item>> {
  const limit = options.limit ?? (options.all === true ? LARGEST_PAGE : DEFAULT_LIMIT);
  const first = await page({
    limit,
    ...(options.after === undefined ? {} : { after: options.after }),
  });
  if (options.all !== true) return first;
  const items = [...first.items];
  let { next, total } = first;
  while (next !== null) {
    const more = await page({ limit, after: next });
    items.push(...more.items);
    ({ next, total } = more);
  }
  return { items, next: null, total };
}

/** Prints a list. `empty` is what to say, and to type next, when there is nothing. */
export function printList<Item>(session: Session, list: Page<Item>, columns: readonly Column<Item>[], empty: string): void {
  const { output } = session;
  output.print(list, () => (list.items.length === 0 ? '' : renderTable(columns, list.items, output.look, output.width)));
  if (list.items.length === 0) output.hint(empty);
  if (list.next !== null) output.hint(`${list.items.length} of ${list.total} shown; next page: --after ${list.next}; every row: --all`);
}
