/**
 * PURE: the cursor of the event stream, `<epoch>.<pos>.<n>`: the id of an event, after which a reader goes on. Without
 * `n` it means a whole batch. The epoch names a life of the outbox: after a restore from a backup it is another, and an
 * old cursor is worth nothing (engine-rules 13).
 */

export type EventCursor = {
  epoch: string;
  pos: number;
  /** Place of the event in its batch; undefined: all of the batch. */
  n: number | undefined;
};

export function formatCursor(cursor: EventCursor): string {
  return cursor.n === undefined ? `${cursor.epoch}.${cursor.pos}` : `${cursor.epoch}.${cursor.pos}.${cursor.n}`;
}

/** The cursor, undefined when the text is none. */
export function parseCursor(text: string): EventCursor | undefined {
  const match = /^([A-Za-z0-9_-]{1,40})\.(\d{1,15})(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const [, epoch = '', pos, n] = match;
  return { epoch, pos: Number(pos), n: n === undefined ? undefined : Number(n) };
}

/** Whether the event at (pos, n) comes after the cursor. */
export function isAfter(cursor: EventCursor, pos: number, n: number): boolean {
  if (pos !== cursor.pos) return pos > cursor.pos;
  return cursor.n !== undefined && n > cursor.n;
}
