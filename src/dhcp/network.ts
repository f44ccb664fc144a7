/**
 * The networks this server answers for, as plain data built from the rows of `networks`, `network_ranges` and `reservations`.
 */
import { parseIpv4, parseSubnet, subnetContains, type Subnet } from '../shared/ipv4.js';

/** Whether and to whom addresses are given on a network. */
export type DhcpMode = 'authoritative' | 'reservations' | 'proxy' | 'off';

/** Addresses first to last, both included. */
export type AddressRange = { readonly first: number; readonly last: number };

export type Network = {
  readonly id: number;
  readonly name: string;
  readonly subnet: Subnet;
  readonly mode: DhcpMode;
  readonly router: number | undefined;
  readonly dns: readonly number[];
  readonly domain: string | undefined;
  readonly leaseSeconds: number;
  /** Where machines without a reservation get their address. */
  readonly pool: readonly AddressRange[];
  readonly reservationByMac: ReadonlyMap<string, number>;
  readonly reservationByAddress: ReadonlyMap<number, string>;
};

export type NetworkRow = {
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
export type ReservationRow = { network_id: number; address: string; mac: string };

/** The networks that could be read, and a sentence for each row that could not. */
export type BuiltNetworks = { readonly networks: readonly Network[]; readonly problems: readonly string[] };

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
    const subnet = parseSubnet(row.subnet);
    if (subnet === undefined) {
      problems.push(`network ${row.name}: subnet ${row.subnet} is not an IPv4 block`);
      continue;
    }
    const byMac = new Map<string, number>();
    const byAddress = new Map<number, string>();
    for (const reservation of reservationsOf.get(row.id) ?? []) {
      const address = parseIpv4(reservation.address);
      if (address === undefined || !subnetContains(subnet, address)) {
        problems.push(`network ${row.name}: reserved address ${reservation.address} is not in ${row.subnet}`);
        continue;
      }
      byMac.set(reservation.mac, address);
      byAddress.set(address, reservation.mac);
    }
    networks.push({
      id: row.id,
      name: row.name,
      subnet,
      mode: modeOf(row.dhcp_mode),
      router: row.router === null ? undefined : parseIpv4(row.router),
      dns: (row.dns ?? []).map(parseIpv4).filter((address) => address !== undefined),
      domain: row.domain === null || row.domain === '' ? undefined : row.domain,
      leaseSeconds: Math.max(1, row.lease_seconds),
      pool: buildPool(row, subnet, rangesOf.get(row.id) ?? [], problems),
      reservationByMac: byMac,
      reservationByAddress: byAddress,
    });
  }
  return { networks, problems };
}

/** The network an address belongs to; the longest prefix where blocks nest. */
export function networkOfAddress(networks: readonly Network[], address: number): Network | undefined {
  let found: Network | undefined;
  for (const network of networks) {
    if (!subnetContains(network.subnet, address)) continue;
    if (found === undefined || network.subnet.prefix > found.subnet.prefix) found = network;
  }
  return found;
}

/** Whether the address may be given to a machine without a reservation. */
export function isPoolAddress(network: Network, address: number): boolean {
  return (
    network.pool.some((range) => address >= range.first && address <= range.last) &&
    address !== network.subnet.first &&
    address !== network.subnet.last &&
    address !== network.router &&
    !network.reservationByAddress.has(address)
  );
}

function buildPool(row: NetworkRow, subnet: Subnet, ranges: readonly RangeRow[], problems: string[]): AddressRange[] {
  const named = ranges.filter((range) => POOL.has(range.name));
  const chosen = named.length > 0 ? named : ranges.filter((range) => !NOT_POOL.has(range.name));
  const pool: AddressRange[] = [];
  for (const range of chosen) {
    const first = parseIpv4(range.first_address);
    const last = parseIpv4(range.last_address);
    const isUsable = first !== undefined && last !== undefined && first <= last && subnetContains(subnet, first) && subnetContains(subnet, last);
    if (isUsable) pool.push({ first, last });
    else problems.push(`network ${row.name}: range ${range.name} is not inside ${row.subnet}`);
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
