/** Which errors of the database say "try again", and the one place that does so for single writes. */
import type { Pool, Tx } from './client.js';
import { withTransaction } from './client.js';

/** Classes of SQLSTATE (their first two digits): connection, out of resources, ended by an operator. */
const PASSING_CLASSES = new Set(['08', '53', '57']);
/**
 * Serialization, deadlock, lock not available, idle in transaction too long; what the socket says; and Prisma's words for the
 * same: not reachable, timed out, closed, no connection of the pool free, lost a race
 * (https://www.prisma.io/docs/orm/reference/error-reference).
 */
const PASSING_CODES = new Set([
  '40001',
  '40P01',
  '55P03',
  '25P03',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2034',
]);
// node-postgres has no code for these.
const PASSING_MESSAGE = /Connection terminated|timeout exceeded when trying to connect|connection error and is not queryable/;

/** Whether the same may succeed later (serialization, deadlock, lock wait, connection), as against "this data cannot be". */
export function isPassing(error: unknown): boolean {
  // By what it carries, not by its class: an error of Node's own sockets may come from another realm than ours.
  const code = sqlStateBehind(error) ?? textOf(error, 'code');
  return PASSING_CODES.has(code) || (code.length === 5 && PASSING_CLASSES.has(code.slice(0, 2))) || PASSING_MESSAGE.test(textOf(error, 'message'));
}

/**
 * The SQLSTATE that Prisma wraps when it has no code of its own for it (P2039, P2010); undefined for every other error. It is
 * at `meta.driverAdapterError.cause`, as seen with @prisma/adapter-pg 7.
 */
export function sqlStateBehind(error: unknown): string | undefined {
  const cause = ['meta', 'driverAdapterError', 'cause'].reduce(propertyOf, error);
  const code = propertyOf(cause, 'originalCode') ?? propertyOf(cause, 'code');
  return typeof code === 'string' ? code : undefined;
}

function textOf(value: unknown, name: string): string {
  const text = propertyOf(value, name);
  return typeof text === 'string' ? text : '';
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** A deadlock, a serialization failure, a lock not available in time: nothing was written, and the other side is through. */
const LOST_RACE = new Set(['40001', '40P01', '55P03']);
const MAX_TRIES = 5;

/**
 * `withTransaction`, tried again when it lost a race for locks. `work` must have no effect outside the transaction.
 * Batches may take locks in another order than a single write does; a person's request must not fail for that.
 */
export async function withRetriedTransaction<T>(pool: Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await withTransaction(pool, work);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (!LOST_RACE.has(code) || tries >= MAX_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10 * 2 ** tries * (0.5 + Math.random())));
    }
  }
}
