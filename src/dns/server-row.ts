/** This process's row in `boot_servers`: that it answers, and which DNS revision. Deleting a node waits for it (68_remove.sql). */
import type { Pool } from '../db/client.js';

/** `id` is new in every process. */
export type DnsServerRow = { readonly id: string; readonly host: string; readonly incarnation: string };

/** Three missed heartbeats end it, as for DHCP. */
const LEASE_SECONDS = 15;

export async function joinDnsServer(pool: Pool, server: DnsServerRow): Promise<void> {
  await pool.query(
    `INSERT INTO boot_servers (id, kind, host, networks, incarnation, status, served_revision, lease_until)
     VALUES ($1, 'dns', $2, '{}', $3, 'joining', 0, clock_timestamp() + make_interval(secs => $4))
     ON CONFLICT (id) DO UPDATE SET status = 'joining', lease_until = EXCLUDED.lease_until`,
    [server.id, server.host, server.incarnation, LEASE_SECONDS],
  );
}

/** False when the row is gone: join again. */
export async function reportDnsServer(pool: Pool, server: DnsServerRow, heartbeat: { revision: number; counters: object }): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE boot_servers SET served_revision = $2, counters = $3, status = CASE WHEN status = 'draining' THEN status ELSE 'serving' END,
            lease_until = clock_timestamp() + make_interval(secs => $4) WHERE id = $1`,
    [server.id, heartbeat.revision, JSON.stringify(heartbeat.counters), LEASE_SECONDS],
  );
  return rowCount !== null && rowCount > 0;
}

export async function leaveDnsServer(pool: Pool, server: DnsServerRow): Promise<void> {
  await pool.query(`UPDATE boot_servers SET status = 'out', lease_until = clock_timestamp() WHERE id = $1`, [server.id]);
}
