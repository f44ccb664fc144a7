/**
 * Finds out whether the address of the database leads through a transaction pooler (engine-rules 23). Behind one, what belongs
 * to a session is lost between two statements: LISTEN hears nothing, the locks that keep BMC commands apart do not hold,
 * prepared statements are gone. It would all seem to work, and be slow or wrong: so it is refused at the start.
 */
import pg from 'pg';
import { ConfigError } from '../shared/errors.js';

const TIMEOUT_MS = 3_000;
/** The setting that a session must still have after somebody else's transaction. */
const MARK = 'prybar.pooler_probe';

/**
 * Two sessions: the first sets something, the second takes a server connection and keeps it in a transaction, then the first
 * is asked again. A session of its own has its setting and its backend still; a pooled one was moved to another backend, or
 * waits for the one that the second holds.
 */
export async function isTransactionPooled(url: string): Promise<boolean> {
  const [session, other] = [clientOf(url), clientOf(url)];
  try {
    await session.connect();
    await other.connect();
    const before = await probe(session, `SELECT pg_backend_pid() AS pid, set_config('${MARK}', 'here', false) AS mark`);
    await other.query('BEGIN');
    await other.query('SELECT pg_backend_pid()');
    try {
      const after = await probe(session, `SELECT pg_backend_pid() AS pid, current_setting('${MARK}', true) AS mark`);
      return after.pid !== before.pid || after.mark !== 'here';
    } catch (error) {
      // The pool has one connection and the other session holds it.
      if (error instanceof Error && /query (read )?timeout/i.test(error.message)) return true;
      throw error;
    }
  } finally {
    // The connections may be waiting for each other: they are cut rather than closed in order.
    await Promise.all([session, other].map((client) => client.end().catch(() => undefined)));
  }
}

async function probe(client: pg.Client, text: string): Promise<{ pid: number; mark: string | null }> {
  const { rows } = await client.query<{ pid: number; mark: string | null }>(text);
  return rows[0] ?? { pid: 0, mark: null };
}

function clientOf(url: string): pg.Client {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: TIMEOUT_MS, query_timeout: TIMEOUT_MS, application_name: 'prybar probe' });
  client.on('error', () => undefined);
  return client;
}

/** Throws ConfigError when sessions do not hold. */
export async function assertNotPooled(url: string): Promise<void> {
  if (!(await isTransactionPooled(url))) return;
  throw new ConfigError(
    'DATABASE_URL: leads through a transaction pooler (PgBouncer with pool_mode=transaction, or the like); LISTEN and session locks do not work there',
    "give the server's own address, or a pool with pool_mode=session",
  );
}
