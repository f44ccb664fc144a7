/**
 * PURE: many rows of the DHCP table as one text, written by PostgreSQL: the driver takes ten times as long for the same rows one
 * by one, which is what a server with 10,000 machines did at its start instead of answering. ASCII's own separators, 31 between
 * columns and 30 between rows, are in none of the values: MACs, addresses, checked names, and JSON, which escapes them.
 */
import { encodeOptions } from './named-options.js';
import type { OptionMap } from './network.js';
import type { ReservationRow } from './network-rows.js';
import type { DhcpEntry } from './situation.js';

const COLUMN = '\u001f';
const ROW = '\u001e';

/** An aggregate of `dhcp_entries`. The trigger in 20261121180065_dhcp_hint_entries writes the same text. */
export const ENTRY_RECORDS = `string_agg(concat_ws(E'\\x1f', mac, node_id, hostname, bootenv, boot_local, deleted, options), E'\\x1e')`;

/** An aggregate of `reservations`, within one network. */
export const RESERVATION_RECORDS = `string_agg(concat_ws(E'\\x1f', address, coalesce(mac, ''), unmanaged, coalesce(hostname, '')), E'\\x1e')`;

/** An entry as it stands now, or that there is none any more; a sentence for each option that cannot be sent. */
export type EntryRecord = { readonly mac: string; readonly entry: DhcpEntry | undefined; readonly problems: readonly string[] };

const NO_OPTIONS: OptionMap = new Map();
const NO_PROBLEMS: readonly string[] = [];

/** Reads ENTRY_RECORDS. A row that has not seven columns is left out and in `unreadable`; none is where names are checked. */
export function readEntryRecords(text: string): { readonly records: readonly EntryRecord[]; readonly unreadable: readonly string[] } {
  const records: EntryRecord[] = [];
  const unreadable: string[] = [];
  for (const row of text.split(ROW)) {
    const [mac, nodeId, hostName, bootenv, bootLocal, deleted, options, more] = row.split(COLUMN);
    if (mac === undefined || hostName === undefined || bootenv === undefined || options === undefined || more !== undefined) {
      unreadable.push(row);
      continue;
    }
    const encoded = options === '{}' ? undefined : encodeOptions(parseJson(options));
    const entry = { mac, nodeId: Number(nodeId), hostName, bootenv, bootLocal: bootLocal === 't', options: encoded?.options ?? NO_OPTIONS };
    records.push({ mac, entry: deleted === 't' ? undefined : entry, problems: encoded?.problems ?? NO_PROBLEMS });
  }
  return { records, unreadable };
}

/** Undefined for what is no JSON: a row out of step is an entry without options, not the end of the server. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads RESERVATION_RECORDS of one network. A row that makes no sense has an address that is none, and is reported as such. */
export function readReservationRecords(networkId: number, text: string): ReservationRow[] {
  return text.split(ROW).map((row) => {
    const [address = '', mac = '', unmanaged, hostname = ''] = row.split(COLUMN);
    return { network_id: networkId, address, mac, unmanaged: unmanaged === 't', hostname };
  });
}
