/**
 * The statements that write `leases`. The primary key on address and the unique index on (network, mac) of active rows decide
 * who gets what; these statements only ask.
 */
import type { Pool, PoolClient } from 'pg';
import { formatIpv4, parseIpv4 } from '../shared/ipv4.js';

/** One address asked for. */
export type LeaseAsk = {
  readonly address: number;
  readonly networkId: number;
  readonly mac: string;
  readonly clientId: string | null;
  readonly hostName: string | null;
  readonly leaseSeconds: number;
  readonly isReserved: boolean;
};

/** A row as the book needs it; `leftMs` is the time to its end by the database's clock, negative after it. */
export type LeaseRow = {
  readonly address: number;
  readonly networkId: number;
  readonly mac: string;
  readonly state: 'active' | 'declined';
  readonly leftMs: number;
};

type SqlRow = { address: string; network_id: number; mac: string; state: string; left_ms: number };

const COLUMNS = `address, network_id, mac, state,
  (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::float8 AS left_ms`;

/** Every lease and quarantine; ended leases too, for machines that come back. */
export async function readLeases(pool: Pool): Promise<LeaseRow[]> {
  const { rows } = await pool.query<SqlRow>(`SELECT ${COLUMNS} FROM leases WHERE state IN ('active', 'declined')`);
  return rows.flatMap(leaseRow);
}

/** The rows of some addresses, whoever has them. */
export async function readLeasesAt(pool: Pool, addresses: readonly number[]): Promise<LeaseRow[]> {
  const { rows } = await pool.query<SqlRow>(`SELECT ${COLUMNS} FROM leases WHERE address = ANY($1) AND state IN ('active', 'declined')`, [
    addresses.map(formatIpv4),
  ]);
  return rows.flatMap(leaseRow);
}

/**
 * Takes every address that is free or already the asker's, in one statement and one commit; returns the addresses that were
 * granted. Rows are locked in address order, so that two servers cannot deadlock. An address is free when nobody's row holds it
 * unexpired; a quarantine yields to a reservation only. The asks must differ in address and in (network, mac).
 * Uses the primary key.
 */
export async function grantLeases(db: Pool | PoolClient, asks: readonly LeaseAsk[]): Promise<Set<number>> {
  const { rows } = await db.query<{ address: string }>(
    `INSERT INTO leases AS held (address, network_id, mac, client_id, hostname, state, expires_at, updated_at)
     SELECT address, network_id, mac, client_id, hostname, 'active',
            clock_timestamp() + make_interval(secs => lease_seconds), clock_timestamp()
     FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::int[])
          AS ask (address, network_id, mac, client_id, hostname, lease_seconds)
     ORDER BY address
     ON CONFLICT (address) DO UPDATE
     SET network_id = EXCLUDED.network_id, mac = EXCLUDED.mac, client_id = EXCLUDED.client_id,
         hostname = EXCLUDED.hostname, state = 'active', expires_at = EXCLUDED.expires_at, updated_at = EXCLUDED.updated_at
     WHERE held.state IN ('released', 'expired')
        OR held.expires_at <= clock_timestamp()
        OR (held.state = 'active' AND held.mac = EXCLUDED.mac)
        OR (held.state = 'declined' AND held.address = ANY($7::text[]))
     RETURNING held.address`,
    [
      asks.map((ask) => formatIpv4(ask.address)),
      asks.map((ask) => ask.networkId),
      asks.map((ask) => ask.mac),
      asks.map((ask) => ask.clientId),
      asks.map((ask) => ask.hostName),
      asks.map((ask) => ask.leaseSeconds),
      asks.filter((ask) => ask.isReserved).map((ask) => formatIpv4(ask.address)),
    ],
  );
  return new Set(rows.map((row) => parseIpv4(row.address)).filter((address) => address !== undefined));
}

/** As grantLeases, for machines that move from another address: their old rows are released first, in the same transaction. */
export async function moveAndGrantLeases(pool: Pool, asks: readonly LeaseAsk[]): Promise<Set<number>> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('BEGIN');
    await client.query(
      `UPDATE leases SET state = 'released', updated_at = clock_timestamp()
       FROM unnest($1::int[], $2::text[], $3::text[]) AS ask (network_id, mac, address)
       WHERE leases.network_id = ask.network_id AND leases.mac = ask.mac
         AND leases.state = 'active' AND leases.address <> ask.address`,
      [asks.map((ask) => ask.networkId), asks.map((ask) => ask.mac), asks.map((ask) => formatIpv4(ask.address))],
    );
    const granted = await grantLeases(client, asks);
    await client.query('COMMIT');
    return granted;
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
    await client.query('ROLLBACK').catch(() => undefined); // a broken connection rolls back by itself
    throw error;
  } finally {
    client.release(failure);
  }
}

/** Gives an address back, if it is still this machine's. RFC 2131 section 4.3.4. */
export async function releaseLease(pool: Pool, address: number, mac: string): Promise<void> {
  await pool.query(
    `UPDATE leases SET state = 'released', updated_at = clock_timestamp()
     WHERE address = $1 AND mac = $2 AND state = 'active'`,
    [formatIpv4(address), mac],
  );
}

/** Puts an address in quarantine, unless another machine got it meanwhile. RFC 2131 section 4.3.3. */
export async function declineLease(pool: Pool, lease: { address: number; networkId: number; mac: string }, quarantineSeconds: number): Promise<void> {
  await pool.query(
    `INSERT INTO leases AS held (address, network_id, mac, state, expires_at, updated_at)
     VALUES ($1, $2, $3, 'declined', clock_timestamp() + make_interval(secs => $4), clock_timestamp())
     ON CONFLICT (address) DO UPDATE
     SET state = 'declined', expires_at = EXCLUDED.expires_at, updated_at = EXCLUDED.updated_at
     WHERE held.mac = EXCLUDED.mac OR held.state <> 'active' OR held.expires_at <= clock_timestamp()`,
    [formatIpv4(lease.address), lease.networkId, lease.mac, quarantineSeconds],
  );
}

function leaseRow(row: SqlRow): LeaseRow[] {
  const address = parseIpv4(row.address);
  if (address === undefined || (row.state !== 'active' && row.state !== 'declined')) return [];
  return [{ address, networkId: row.network_id, mac: row.mac, state: row.state, leftMs: row.left_ms }];
}
