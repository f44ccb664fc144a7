/** Reads what a DHCP server knows besides its leases: for the server itself, and for whoever asks what it would answer. */
import type { Pool } from 'pg';
import { encodeOptions } from './named-options.js';
import { buildNetworks, NETWORK_COLUMNS, type BuiltNetworks, type NetworkRow, type RangeRow, type ReservationRow } from './network-rows.js';
import type { DhcpEntry } from './situation.js';

/** Every network with its ranges and reservations. */
export async function readNetworks(pool: Pool): Promise<BuiltNetworks> {
  const [networks, ranges, reservations] = await Promise.all([
    pool.query<NetworkRow>(`SELECT ${NETWORK_COLUMNS} FROM networks ORDER BY id`),
    pool.query<RangeRow>('SELECT network_id, name, first_address, last_address FROM network_ranges ORDER BY id'),
    pool.query<ReservationRow>('SELECT network_id, address, mac, unmanaged, hostname FROM reservations'),
  ]);
  return buildNetworks(networks.rows, ranges.rows, reservations.rows);
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
