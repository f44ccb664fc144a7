/**
 * PURE: the address of an event in the stream, `<epoch>.<pos>.<n>`, as SSE ids carry it. The epoch changes when the
 * database is restored from a backup: positions of another epoch mean something else.
 */

export type Cursor = { epoch: string; pos: number; n: number };

/** Stands behind every event of a position: "all of it seen". */
export const WHOLE_BATCH = 999_999_999;

export function formatCursor(cursor: Cursor): string {
  return `${cursor.epoch}.${cursor.pos}.${cursor.n}`;
}

/** Reads a cursor; undefined when the text is none. */
export function parseCursor(text: string): Cursor | undefined {
  const match = /^([A-Za-z0-9-]{1,64})\.(\d{1,15})\.(\d{1,9})$/.exec(text);
  const [, epoch, pos, n] = match ?? [];
  if (epoch === undefined || pos === undefined || n === undefined) return undefined;
  return { epoch, pos: Number(pos), n: Number(n) };
}
