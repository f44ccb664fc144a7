/**
 * The row in `boot_servers` of a server that decides from the database at each request (TFTP, boot HTTP): that it answers,
 * and what it has counted. Nobody waits for its revision (served.ts); the DHCP server keeps its own row (src/dhcp).
 */
import { randomUUID } from 'node:crypto';
import type { Queryable } from '../db/client.js';
import type { Logger } from '../shared/logger.js';

export type ReportingServer = { kind: 'tftp' | 'http'; host: string; incarnation: string; counters(): object };

/** Three missed reports end the lease, as for DHCP. */
const REPORT_MS = 5_000;
const LEASE_SECONDS = 15;

/** Rows of processes that were killed stay behind; after this long nobody asks what they counted. */
const FORGET_AFTER = '1 hour';

/** Reports now and every 5 s until closed; the last report takes the server out of service. A failed report is repeated by the next. */
export function reportServer(db: Queryable, server: ReportingServer, log: Logger): { close(): Promise<void> } {
  const id = randomUUID();
  let last = Promise.resolve();
  const report = (status: 'serving' | 'out') => {
    last = last.then(() => writeReport(db, id, server, status)).catch((err: unknown) => log.warn({ err, kind: server.kind }, 'server report failed'));
    return last;
  };
  // One after the other: a process that starts has more to do than to open connections.
  void report('serving')
    .then(() => forgetOld(db))
    .catch((err: unknown) => log.warn({ err }, 'old server reports stay'));
  const timer = setInterval(() => void report('serving'), REPORT_MS);
  return {
    close() {
      clearInterval(timer);
      return report('out');
    },
  };
}

async function writeReport(db: Queryable, id: string, server: ReportingServer, status: 'serving' | 'out'): Promise<void> {
  await db.query(
    `INSERT INTO boot_servers (id, kind, host, networks, incarnation, status, served_revision, lease_until, counters)
     SELECT $1, $2, $3, '{}', $4, $5, coalesce(max(revision), 0), clock_timestamp() + make_interval(secs => $6), $7 FROM dhcp_table
     ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, served_revision = EXCLUDED.served_revision, lease_until = EXCLUDED.lease_until, counters = EXCLUDED.counters`,
    [id, server.kind, server.host, server.incarnation, status, status === 'out' ? 0 : LEASE_SECONDS, JSON.stringify(server.counters())],
  );
}

async function forgetOld(db: Queryable): Promise<void> {
  await db.query(`DELETE FROM boot_servers WHERE lease_until < clock_timestamp() - $1::interval`, [FORGET_AFTER]);
}
