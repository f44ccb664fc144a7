/** Lists by a cursor: the id of the last row seen, so that rows which come or go shift nothing. */
import { ValidationError } from '../shared/errors.js';
import type { Page } from './schemas.js';

export type PageQuery = { limit: number; after?: string | undefined };

/** Where a page begins and how many rows to read: one more than asked tells whether there is a next page. */
export type PageWindow = { afterId: number; take: number };

/** Largest int4: most of our ids; a larger cursor would make the database complain. */
const LARGEST_INT4 = 2_147_483_647;

/** The window of a query; `largestId` is that of the list's id type. Throws ValidationError when the cursor is not one we gave. */
export function pageWindow(query: PageQuery, largestId: number = LARGEST_INT4): PageWindow {
  const afterId = query.after === undefined ? 0 : Number(query.after);
  if (!Number.isSafeInteger(afterId) || afterId > largestId || (query.after !== undefined && !/^\d+$/.test(query.after)))
    throw new ValidationError('query.after is no cursor', [{ field: 'query.after', message: 'must be the `next` of an earlier page' }]);
  return { afterId, take: query.limit + 1 };
}

/** The page of the rows read for a window; `cursor` names the field that the next page begins after. */
export function toPage<Row, Item>(input: {
  rows: Row[];
  limit: number;
  total: number;
  cursor: (row: Row) => string | number | bigint;
  view: (row: Row) => Item;
}): Page<Item> {
  const shown = input.rows.slice(0, input.limit);
  const last = shown.at(-1);
  const hasMore = input.rows.length > input.limit && last !== undefined;
  return { items: shown.map(input.view), next: hasMore ? String(input.cursor(last)) : null, total: input.total };
}
