/**
 * This process's row in `boot_servers`: how the rest of Prybar learns that we answer, and with which revision.
 * engine-rules 6: a server in the confirming set holds a lease; when it ends the server keeps boot files back.
 */
import type { Pool } from 'pg';
import { parseIpv4 } from '../shared/ipv4.js';
import { TABLE_CHANNEL } from './hints.js';

/** Payload of the hint that a server has come. */
export const JOIN_HINT = 'join';

/** How long a report is good for, seconds. Three missed heartbeats end it. */
export const SERVER_LEASE_SECONDS = 15;

/** Who this server is. `id` is new in every process, so that a restart is never taken for the one before. */
export type BootServer = { readonly id: string; readonly host: string; readonly incarnation: string };

/** Makes the row with status `joining`: known, not yet confirming anything. Safe to repeat. */
export async function joinBootServers(pool: Pool, server: BootServer): Promise<void> {
  await pool.query(
    `INSERT INTO boot_servers (id, kind, host, networks, incarnation, status, served_revision, lease_until, started_at)
     VALUES ($1, 'dhcp', $2, '{}', $3, 'joining', 0, clock_timestamp() + make_interval(secs => $4), clock_timestamp())
     ON CONFLICT (id) DO UPDATE SET status = 'joining', lease_until = EXCLUDED.lease_until`,
    [server.id, server.host, server.incarnation, SERVER_LEASE_SECONDS],
  );
}

/** Tells the other servers that we have come, once our row says where we answer: so that they tell us of leases and take us for no rival. */
export async function announceServer(pool: Pool): Promise<void> {
  await pool.query('SELECT pg_notify($1, $2)', [TABLE_CHANNEL, JOIN_HINT]);
}

/** What a heartbeat says. `counters` is shown by the status page; it decides nothing. */
export type Heartbeat = { readonly revision: bigint; readonly networkIds: readonly number[]; readonly counters: object };

/**
 * Reports the served revision and renews the lease; a row that is being drained stays so. False when the row is gone: join again.
 */
export async function reportServing(pool: Pool, server: BootServer, heartbeat: Heartbeat): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE boot_servers
     SET served_revision = $2, networks = $3, counters = $4,
         status = CASE WHEN status = 'draining' THEN status ELSE 'serving' END,
         lease_until = clock_timestamp() + make_interval(secs => $5)
     WHERE id = $1`,
    [server.id, heartbeat.revision.toString(), [...heartbeat.networkIds], JSON.stringify(heartbeat.counters), SERVER_LEASE_SECONDS],
  );
  return rowCount !== null && rowCount > 0;
}

/** Leaves the set on a clean stop: nobody waits for us any more. */
export async function leaveBootServers(pool: Pool, server: BootServer): Promise<void> {
  await pool.query(`UPDATE boot_servers SET status = 'out', lease_until = clock_timestamp() WHERE id = $1`, [server.id]);
}

/** The DHCP servers of this Prybar that report now: their addresses, ours included, uint32; and how many of them are others. */
export async function readPeers(pool: Pool, server: BootServer): Promise<{ addresses: number[]; others: number }> {
  const { rows } = await pool.query<{ id: string; addresses: string[] }>(
    `SELECT id, ARRAY(SELECT jsonb_array_elements_text(coalesce(counters -> 'addresses', '[]'))) AS addresses
       FROM boot_servers WHERE kind = 'dhcp' AND lease_until > clock_timestamp()`,
  );
  return {
    addresses: rows.flatMap((row) => row.addresses.flatMap((address) => parseIpv4(address) ?? [])),
    others: rows.filter((row) => row.id !== server.id).length,
  };
}
