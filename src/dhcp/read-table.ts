/** Reads what a DHCP server knows besides its leases: for the server itself, and for whoever asks what it would answer. */
import type { Pool } from 'pg';
import { encodeOptions } from './named-options.js';
import type { ReservationChange } from './network-changes.js';
import { buildNetworks, NETWORK_COLUMNS, type BuiltNetworks, type NetworkRow, type RangeRow, type ReservationRow } from './network-rows.js';
import type { DhcpEntry } from './situation.js';
import { ENTRY_RECORDS, readReservationRecords, RESERVATION_RECORDS } from './table-records.js';

/** In texts of a thousand machines each: one of 100,000 would hold up the packets that come while it is read. */
const FOLLOW = `
  SELECT t.revision, t.networks_revision, c.records
    FROM dhcp_table t LEFT JOIN (
      SELECT ${ENTRY_RECORDS} AS records FROM dhcp_entries e WHERE e.revision > $1::bigint GROUP BY e.node_id / 1000) c ON true
   WHERE t.id = 1`;

/** The table's counters beside what has changed since a revision; `records` is null when nothing has. */
type FollowRow = { revision: string | number; networks_revision: string | number; records: string | null };

/** What has changed, read in one statement and so from one moment: texts for readEntryRecords. */
export type Changes = { readonly revision: bigint; readonly networksRevision: bigint; readonly records: readonly string[] };

/** Every entry whose revision is above the given one; all of them above -1. Uses `dhcp_entries_revision_idx`. */
export async function readChanges(pool: Pool, after: bigint): Promise<Changes> {
  const { rows } = await pool.query<FollowRow>({ name: 'dhcp-follow', text: FOLLOW, values: [after.toString()] });
  return {
    revision: BigInt(rows[0]?.revision ?? 0),
    networksRevision: BigInt(rows[0]?.networks_revision ?? 0),
    records: rows.flatMap(({ records }) => records ?? []),
  };
}

const NETWORKS = `
  SELECT 'revision' AS kind, 0 AS network_id, networks_revision::text AS body FROM dhcp_table WHERE id = 1
   UNION ALL SELECT 'network', n.id, to_json(n)::text FROM (SELECT ${NETWORK_COLUMNS} FROM networks) n
   UNION ALL SELECT 'range', r.network_id, to_json(r)::text FROM (SELECT network_id, name, first_address, last_address FROM network_ranges ORDER BY id) r
   UNION ALL SELECT 'reservations', network_id, ${RESERVATION_RECORDS} FROM reservations GROUP BY network_id, id / 1000`;

type NetworkPart = { kind: 'revision' | 'network' | 'range' | 'reservations'; network_id: number; body: string };

/** Every network with its ranges and reservations, in one statement; `revision` is what counts their changes. */
export async function readNetworks(pool: Pool): Promise<BuiltNetworks & { readonly revision: bigint }> {
  const { rows } = await pool.query<NetworkPart>({ name: 'dhcp-networks', text: NETWORKS });
  const bodiesOf = <T>(kind: NetworkPart['kind']): T[] => rows.filter((row) => row.kind === kind).map((row): T => JSON.parse(row.body));
  const networks = bodiesOf<NetworkRow>('network').sort((one, other) => one.id - other.id);
  const reservations = rows.filter((row) => row.kind === 'reservations').flatMap((row) => readReservationRecords(row.network_id, row.body));
  return { ...buildNetworks(networks, bodiesOf<RangeRow>('range'), reservations), revision: BigInt(bodiesOf<number>('revision')[0] ?? 0) };
}

/** How many of the networks' revisions 20261121180066_reservation_changes keeps. */
const REVISIONS_KEPT = 1_000n;
/** More addresses than this are read with everything else: that is one text a thousand of them. */
const MOST_CHANGES = 5_000;

const RESERVATION_CHANGES = `
  SELECT t.networks_revision, t.networks_whole_revision, c.address, r.network_id, r.mac, r.unmanaged, r.hostname
    FROM dhcp_table t LEFT JOIN (SELECT DISTINCT address FROM reservation_changes WHERE revision > $1::bigint LIMIT ${MOST_CHANGES + 1}) c ON true
    LEFT JOIN reservations r ON r.address = c.address
   WHERE t.id = 1`;

type ChangeRow = { networks_revision: string | number; networks_whole_revision: string | number; address: string | null } & (
  | (Omit<ReservationRow, 'address'> & { unmanaged: boolean; hostname: string | null })
  | { network_id: null }
);

/**
 * The reservations that have changed since a revision of the networks, from one moment, and the revision of that moment.
 * Undefined when more than reservations has changed, or too much: then readNetworks. Uses `reservation_changes_pkey` and
 * `reservations_address_key`.
 */
export async function readReservationChanges(pool: Pool, after: bigint): Promise<{ changes: ReservationChange[]; revision: bigint } | undefined> {
  const { rows } = await pool.query<ChangeRow>({ name: 'dhcp-reservation-changes', text: RESERVATION_CHANGES, values: [after.toString()] });
  const revision = BigInt(rows[0]?.networks_revision ?? 0);
  const whole = BigInt(rows[0]?.networks_whole_revision ?? 0);
  if (whole > after || revision < after || revision - after >= REVISIONS_KEPT || rows.length > MOST_CHANGES) return undefined;
  const changes = rows.flatMap((row): ReservationChange[] => {
    if (row.address === null) return [];
    return [{ address: row.address, row: row.network_id === null ? null : { ...row, address: row.address } }];
  });
  return { changes, revision };
}

type EntryRow = { mac: string; node_id: number; hostname: string; bootenv: string; boot_local: boolean; options: unknown };

/** The table's rows of some MACs. Options that cannot be written are left out, as the server leaves them out. */
export async function readEntriesOf(pool: Pool, macs: readonly string[]): Promise<Map<string, DhcpEntry>> {
  const { rows } = await pool.query<EntryRow>(
    'SELECT mac, node_id, hostname, bootenv, boot_local, options FROM dhcp_entries WHERE mac = ANY($1) AND NOT deleted',
    [macs],
  );
  return new Map(
    rows.map((row) => [
      row.mac,
      {
        mac: row.mac,
        nodeId: row.node_id,
        hostName: row.hostname,
        bootenv: row.bootenv,
        bootLocal: row.boot_local,
        options: encodeOptions(row.options).options,
      },
    ]),
  );
}
