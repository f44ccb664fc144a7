/**
 * The statements that write `leases`. The primary key on address and the unique index on (network, client key or MAC) of active rows decide
 * who gets what; these statements only ask.
 */
import type { Pool, PoolClient } from 'pg';
import { formatIpv4, parseIpv4 } from '../shared/ipv4.js';
import { ownerOf } from './identity.js';

/** One address asked for. */
export type LeaseAsk = {
  readonly address: number;
  readonly networkId: number;
  readonly mac: string;
  /** See Identity; null when the lease is the MAC's. */
  readonly clientKey: string | null;
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
  readonly clientKey: string | null;
  readonly state: 'active' | 'declined';
  readonly leftMs: number;
};

type SqlRow = { address: string; network_id: number; mac: string; client_key: string | null; state: string; left_ms: number };

const COLUMNS = `address, network_id, mac, client_key, state,
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

/** The rows of an owner on a network and of an address. Uses the primary key and the unique index of active leases. */
export async function readLeasesOf(pool: Pool, networkId: number, owner: string, address: number): Promise<LeaseRow[]> {
  const { rows } = await pool.query<SqlRow>(
    `SELECT ${COLUMNS} FROM leases WHERE state = 'active' AND network_id = $1 AND coalesce(client_key, mac) = $2
     UNION SELECT ${COLUMNS} FROM leases WHERE address = $3 AND state IN ('active', 'declined')`,
    [networkId, owner, formatIpv4(address)],
  );
  return rows.flatMap(leaseRow);
}

/**
 * Takes every address that is free or already the asker's, in one statement and one commit; returns the addresses that were
 * granted. Rows are locked in address order, so that two servers cannot deadlock. An address is free when nobody's row holds it
 * unexpired; a quarantine yields to a reservation only. The asks must differ in address and in owner.
 * Uses the primary key.
 */
export async function grantLeases(db: Pool | PoolClient, asks: readonly LeaseAsk[]): Promise<Set<number>> {
  const { rows } = await db.query<{ granted: number; addresses: string[] | null }>({
    name: 'grant-leases',
    text: GRANT,
    values: [
      arrayText(asks, (ask) => formatIpv4(ask.address)),
      arrayText(asks, (ask) => String(ask.networkId)),
      arrayText(asks, (ask) => ask.mac),
      arrayText(asks, (ask) => ask.clientId),
      arrayText(asks, (ask) => ask.hostName),
      arrayText(asks, (ask) => String(ask.leaseSeconds)),
      arrayText(asks, (ask) => (ask.isReserved ? 't' : 'f')),
      arrayText(asks, (ask) => ask.clientKey),
    ],
  });
  if (rows[0]?.granted === asks.length) return new Set(asks.map((ask) => ask.address));
  return new Set((rows[0]?.addresses ?? []).flatMap((address) => parseIpv4(address) ?? []));
}

/** One row answers for a whole batch: its addresses are told only when some were not granted. */
const GRANT = `WITH granted AS (
     INSERT INTO leases AS held (address, network_id, mac, client_id, client_key, hostname, state, expires_at, updated_at)
     SELECT address, network_id, mac, client_id, client_key, hostname, 'active',
            clock_timestamp() + make_interval(secs => lease_seconds), clock_timestamp()
     FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::int[], $8::text[])
          AS ask (address, network_id, mac, client_id, hostname, lease_seconds, client_key)
     ORDER BY address
     ON CONFLICT (address) DO UPDATE
     SET network_id = EXCLUDED.network_id, mac = EXCLUDED.mac, client_id = EXCLUDED.client_id,
         client_key = EXCLUDED.client_key, hostname = EXCLUDED.hostname, state = 'active', expires_at = EXCLUDED.expires_at, updated_at = EXCLUDED.updated_at
     WHERE held.state IN ('released', 'expired')
        OR held.expires_at <= clock_timestamp()
        OR (held.state = 'active' AND coalesce(held.client_key, held.mac) = coalesce(EXCLUDED.client_key, EXCLUDED.mac))
        OR (held.state = 'declined' AND ($7::boolean[])[array_position($1::text[], held.address)])
     RETURNING held.address
   ) SELECT count(*)::int AS granted, CASE WHEN count(*) < cardinality($1::text[]) THEN array_agg(address) END AS addresses FROM granted`;

/** Text that needs no quotes in an array literal; the word NULL does. */
const PLAIN = /^(?!null$)[\w.:-]+$/i;

/** An array literal (PostgreSQL manual, section 8.15.2). The driver's own looks at every character of every value. */
function arrayText<T>(items: readonly T[], valueOf: (item: T) => string | null): string {
  let text = '';
  for (const item of items) {
    const value = valueOf(item);
    if (value === null) text += ',NULL';
    else if (PLAIN.test(value)) text += `,${value}`;
    else text += `,"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  }
  return `{${text.slice(1)}}`;
}

/** As grantLeases, for machines that move from another address: their old rows are released first, in the same transaction. */
export async function moveAndGrantLeases(pool: Pool, asks: readonly LeaseAsk[]): Promise<Set<number>> {
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query('BEGIN');
    await client.query(
      `UPDATE leases SET state = 'released', updated_at = clock_timestamp()
       FROM unnest($1::int[], $2::text[], $3::text[]) AS ask (network_id, owner, address)
       WHERE leases.network_id = ask.network_id AND coalesce(leases.client_key, leases.mac) = ask.owner
         AND leases.state = 'active' AND leases.address <> ask.address`,
      [asks.map((ask) => ask.networkId), asks.map(ownerOf), asks.map((ask) => formatIpv4(ask.address))],
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

/** Gives an address back, if it is still this owner's. RFC 2131 section 4.3.4. */
export async function releaseLease(pool: Pool, address: number, owner: string): Promise<void> {
  await pool.query(
    `UPDATE leases SET state = 'released', updated_at = clock_timestamp()
     WHERE address = $1 AND coalesce(client_key, mac) = $2 AND state = 'active'`,
    [formatIpv4(address), owner],
  );
}

/** An address that its client found in use. */
export type DeclinedLease = { readonly address: number; readonly networkId: number; readonly mac: string; readonly clientKey: string | null };

/** Puts an address in quarantine, unless another machine got it meanwhile. RFC 2131 section 4.3.3. */
export async function declineLease(pool: Pool, lease: DeclinedLease, quarantineSeconds: number): Promise<void> {
  await pool.query(
    `INSERT INTO leases AS held (address, network_id, mac, client_key, state, expires_at, updated_at)
     VALUES ($1, $2, $3, $5, 'declined', clock_timestamp() + make_interval(secs => $4), clock_timestamp())
     ON CONFLICT (address) DO UPDATE
     SET state = 'declined', expires_at = EXCLUDED.expires_at, updated_at = EXCLUDED.updated_at
     WHERE coalesce(held.client_key, held.mac) = coalesce(EXCLUDED.client_key, EXCLUDED.mac) OR held.state <> 'active' OR held.expires_at <= clock_timestamp()`,
    [formatIpv4(lease.address), lease.networkId, lease.mac, quarantineSeconds, lease.clientKey],
  );
}

function leaseRow(row: SqlRow): LeaseRow[] {
  const address = parseIpv4(row.address);
  if (address === undefined || (row.state !== 'active' && row.state !== 'declined')) return [];
  return [{ address, networkId: row.network_id, mac: row.mac, clientKey: row.client_key, state: row.state, leftMs: row.left_ms }];
}
