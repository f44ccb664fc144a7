/** Rows of `networks`, `network_ranges` and `reservations` to Networks. */
import { formatIpv4, parseIpv4, parseSubnet, subnetContains, type Subnet } from '../shared/ipv4.js';
import type { AddressRange, DhcpMode, Network } from './network.js';
import { readSettings, type SettingsRow } from './network-settings.js';

export type NetworkRow = SettingsRow & {
  id: number;
  name: string;
  subnet: string;
  router: string | null;
  dns: string[] | null;
  domain: string | null;
  dhcp_mode: string;
  lease_seconds: number;
};
export type RangeRow = { network_id: number; name: string; first_address: string; last_address: string };
export type ReservationRow = { network_id: number; address: string; mac: string | null; unmanaged?: boolean; hostname?: string | null };

/** The networks that could be read, and a sentence for each row or setting that could not. */
export type BuiltNetworks = { readonly networks: readonly Network[]; readonly problems: readonly string[] };

/** The columns of NetworkRow, for the one query that reads it. */
export const NETWORK_COLUMNS = `id, name, subnet, router, dns, domain, dhcp_mode, lease_seconds, identify_by, min_secs, server_identifier,
  boot_host, unknown_quota, quiet_ra, relays, relay_modes, options, vendor_options, port_reservations`;

/** Ranges of these names hold addresses that are given by hand or by reservation, never from the pool. */
const NOT_POOL = new Set(['host', 'admin', 'static', 'reserved', 'bmc', 'router']);

/** Ranges of these names are the pool; without any, every range is that is not in NOT_POOL. */
const POOL = new Set(['dhcp', 'pool', 'dynamic']);

/** Builds the networks. A row that makes no sense is reported and left out: the others go on. */
export function buildNetworks(rows: readonly NetworkRow[], ranges: readonly RangeRow[], reservations: readonly ReservationRow[]): BuiltNetworks {
  const problems: string[] = [];
  const networks: Network[] = [];
  const reservationsOf = groupByNetwork(reservations);
  const rangesOf = groupByNetwork(ranges);
  for (const row of rows) {
    const say = (problem: string): void => void problems.push(`network ${row.name}: ${problem}`);
    const subnet = parseSubnet(row.subnet);
    if (subnet === undefined) say(`subnet ${row.subnet} is not an IPv4 block`);
    else networks.push(buildNetwork(row, subnet, rangesOf.get(row.id) ?? [], reservationsOf.get(row.id) ?? [], say));
  }
  return { networks, problems };
}

type Say = (problem: string) => void;

function buildNetwork(row: NetworkRow, subnet: Subnet, ranges: readonly RangeRow[], reservations: readonly ReservationRow[], say: Say): Network {
  const { settings, problems } = readSettings(row, subnet);
  problems.forEach(say);
  const network: Network = {
    ...settings,
    id: row.id,
    name: row.name,
    subnet,
    mode: modeOf(row.dhcp_mode),
    router: row.router === null ? undefined : parseIpv4(row.router),
    dns: (row.dns ?? []).map(parseIpv4).filter((address) => address !== undefined),
    domain: row.domain === null || row.domain === '' ? undefined : row.domain,
    leaseSeconds: Math.max(1, row.lease_seconds),
    pool: buildPool(row, subnet, ranges, say),
    reservationByMac: new Map(),
    reservationByAddress: new Map(),
    hostNameByMac: new Map(),
  };
  for (const reservation of reservations) {
    const problem = reserve(network, reservation);
    if (problem !== undefined) say(problem);
  }
  reservePorts(network);
  return network;
}

/** The part of a network that its reservations are in. */
export type Reserved = Pick<Network, 'subnet' | 'reservationByMac' | 'reservationByAddress' | 'hostNameByMac' | 'reservationByPort'>;

/** Writes a reservation into the maps; a sentence when it makes no sense, and then nothing is written. */
export function reserve(reserved: Reserved, { address: text, mac, unmanaged, hostname }: ReservationRow): string | undefined {
  const address = parseIpv4(text);
  const { subnet } = reserved;
  if (address === undefined || !subnetContains(subnet, address)) return `reserved address ${text} is not in ${formatIpv4(subnet.first)}/${subnet.prefix}`;
  // An unmanaged address, or one without a MAC, is recorded so that nobody else gets it, and served to nobody (netboot-rules 8).
  const isServed = unmanaged !== true && mac !== null && mac !== '';
  reserved.reservationByAddress.set(address, isServed ? mac : '');
  if (!isServed) return undefined;
  reserved.reservationByMac.set(mac, address);
  if (typeof hostname === 'string' && hostname !== '') reserved.hostNameByMac.set(mac, hostname);
  return undefined;
}

/** A relay's port has its address whatever machine is behind it. */
export function reservePorts({ reservationByPort, reservationByAddress }: Reserved): void {
  for (const address of reservationByPort.values()) reservationByAddress.set(address, '');
}

function buildPool(row: NetworkRow, subnet: Subnet, ranges: readonly RangeRow[], say: Say): AddressRange[] {
  const named = ranges.filter((range) => POOL.has(range.name));
  const chosen = named.length > 0 ? named : ranges.filter((range) => !NOT_POOL.has(range.name));
  const pool: AddressRange[] = [];
  for (const range of chosen) {
    const first = parseIpv4(range.first_address);
    const last = parseIpv4(range.last_address);
    const isUsable = first !== undefined && last !== undefined && first <= last && subnetContains(subnet, first) && subnetContains(subnet, last);
    if (isUsable) pool.push({ first, last });
    else say(`range ${range.name} is not inside ${row.subnet}`);
  }
  return pool;
}

function groupByNetwork<T extends { network_id: number }>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of rows) {
    const group = groups.get(row.network_id);
    if (group === undefined) groups.set(row.network_id, [row]);
    else group.push(row);
  }
  return groups;
}

/** A mode this version does not know gives no addresses: silence is the safe reading. */
function modeOf(text: string): DhcpMode {
  return text === 'authoritative' || text === 'reservations' || text === 'proxy' ? text : 'off';
}
