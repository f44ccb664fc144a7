/** The rows of `external_servers`, and what the DHCP table wants of the machines they serve. */
import type { Pool } from '../../db/client.js';
import { withTransaction } from '../../db/client.js';
import type { HostRow } from '../host-records.js';
import type { ExternalSettings } from './settings.js';

/** How long one process drives a server without saying so again. Seconds. */
const DRIVE_SECONDS = 15;

/** Ids of the named networks; 0 where none is there, because an empty list means all of them. */
const NETWORK_IDS = `CASE WHEN names = '{}' THEN '{}' ELSE
  ARRAY(SELECT coalesce(n.id, 0) FROM unnest(names) AS w(name) LEFT JOIN networks n ON n.name = w.name ORDER BY 1) END`;

/** Makes the rows what the machine's file says. A server that the file no longer names is out of the confirming set. */
export async function registerServers(pool: Pool, host: string, servers: readonly ExternalSettings[]): Promise<void> {
  await withTransaction(pool, async (tx) => {
    await tx.query('DELETE FROM external_servers WHERE host = $1 AND name <> ALL($2)', [host, servers.map((server) => server.name)]);
    for (const server of servers)
      await tx.query(
        `INSERT INTO external_servers (name, kind, host, network_names, networks)
         SELECT $1, $2, $3, names, ${NETWORK_IDS} FROM (SELECT $4::text[] AS names) AS given
         ON CONFLICT (name) DO UPDATE SET kind = EXCLUDED.kind, host = EXCLUDED.host, network_names = EXCLUDED.network_names,
           networks = EXCLUDED.networks, served_revision = 0`,
        [server.name, server.kind, host, server.networks],
      );
  });
}

/**
 * Takes or keeps the right to drive a server, and looks its networks up again. Returns the revision its row says is served;
 * null while another process drives, or when the row is gone.
 */
export async function keepDriving(pool: Pool, name: string, driver: string): Promise<number | null> {
  const { rows } = await pool.query<{ served_revision: number }>(
    `UPDATE external_servers s SET driver = $2, driven_until = clock_timestamp() + make_interval(secs => $3),
            networks = (SELECT ${NETWORK_IDS} FROM (SELECT s.network_names AS names) AS given)
      WHERE name = $1 AND (driver = $2 OR driver IS NULL OR driven_until < clock_timestamp()) RETURNING served_revision`,
    [name, driver, DRIVE_SECONDS],
  );
  return rows[0]?.served_revision ?? null;
}

/** Lets another process drive at once. */
export async function stopDriving(pool: Pool, driver: string): Promise<void> {
  await pool.query('UPDATE external_servers SET driver = NULL, driven_until = clock_timestamp() WHERE driver = $1', [driver]);
}

export type ServerReport = { revision: number | null; problem: string | null; hosts: number; writes: number };

/** What came of taking a revision: served, or the problem that keeps it from being. Only the driver's word counts. */
export async function reportServer(pool: Pool, name: string, driver: string, report: ServerReport): Promise<void> {
  await pool.query(
    `UPDATE external_servers SET served_revision = coalesce($3, served_revision), problem = $4::text, hosts = $5, writes = writes + $6,
            problem_since = CASE WHEN $4::text IS NULL THEN NULL ELSE coalesce(problem_since, clock_timestamp()) END,
            served_at = CASE WHEN $3::bigint IS NULL THEN served_at ELSE clock_timestamp() END
      WHERE name = $1 AND driver = $2`,
    [name, driver, report.revision, report.problem, report.hosts, report.writes],
  );
}

export async function readRevision(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ revision: number }>('SELECT revision FROM dhcp_table WHERE id = 1');
  return rows[0]?.revision ?? 0;
}

/** What is wanted at one revision: machines to answer, and MACs that were withdrawn and are not to be answered any more. */
export type Wanted = { revision: number; rows: HostRow[]; withdrawn: string[] };

/**
 * One snapshot of table and reservations. Of a MAC with addresses in several of the networks the first network's counts; one
 * with addresses elsewhere only is not this server's. An address of a machine that is no node (a BMC) comes without a bootenv.
 */
export async function readWanted(pool: Pool, serverName: string): Promise<Wanted> {
  return withTransaction(pool, async (tx) => {
    await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    const revision = await tx.query<{ revision: number }>('SELECT revision FROM dhcp_table WHERE id = 1');
    const { rows } = await tx.query<HostRow>(
      `WITH mine AS (
         SELECT DISTINCT ON (r.mac) r.mac, r.address, r.hostname FROM reservations r, external_servers s
          WHERE s.name = $1 AND NOT r.unmanaged AND (s.networks = '{}' OR r.network_id = ANY(s.networks)) ORDER BY r.mac, r.network_id)
       SELECT e.mac, m.address, e.hostname, e.bootenv, e.boot_local FROM dhcp_entries e LEFT JOIN mine m ON m.mac = e.mac
        WHERE NOT e.deleted AND (m.mac IS NOT NULL OR NOT EXISTS (SELECT 1 FROM reservations o WHERE o.mac = e.mac AND NOT o.unmanaged))
       UNION ALL
       SELECT m.mac, m.address, m.hostname, NULL, NULL FROM mine m WHERE NOT EXISTS (SELECT 1 FROM dhcp_entries e WHERE e.mac = m.mac AND NOT e.deleted)`,
      [serverName],
    );
    const gone = await tx.query<{ mac: string }>(
      'SELECT mac FROM dhcp_entries e WHERE deleted AND NOT EXISTS (SELECT 1 FROM reservations r WHERE r.mac = e.mac AND NOT r.unmanaged)',
    );
    return { revision: revision.rows[0]?.revision ?? 0, rows, withdrawn: gone.rows.map((row) => row.mac) };
  });
}
