/**
 * A network this server answers for, as plain data (network-rows.ts builds it from the tables), and what can be asked of it.
 */
import { subnetContains, type Subnet } from '../shared/ipv4.js';
import type { Relay } from './relay.js';

/** Whether and to whom addresses are given on a network. */
export type DhcpMode = 'authoritative' | 'reservations' | 'proxy' | 'off';

/** Addresses first to last, both included. */
export type AddressRange = { readonly first: number; readonly last: number };

/** Option code to its bytes. */
export type OptionMap = ReadonlyMap<number, Buffer>;

/** The columns of `networks` are described in prisma/schema.prisma. */
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
  /** Filled by network-rows.ts, brought up to date by network-changes.ts, and read by everybody else; so are the next two. */
  readonly reservationByMac: Map<string, number>;
  /** Every address that the pool must not give, with its MAC; empty text for a relay's port or an unmanaged address. */
  readonly reservationByAddress: Map<number, string>;
  /** Names of reserved machines that are no nodes. */
  readonly hostNameByMac: Map<string, string>;
  /** See portKey. */
  readonly reservationByPort: ReadonlyMap<string, number>;
  readonly identifyBy: 'mac' | 'client-id';
  readonly minSecs: number;
  readonly serverIdentifier: number | undefined;
  readonly bootHost: number | undefined;
  readonly unknownQuota: number | undefined;
  readonly quietRa: boolean;
  readonly relays: readonly Subnet[];
  /** Longest prefix first. */
  readonly relayModes: readonly { readonly relays: Subnet; readonly mode: DhcpMode }[];
  readonly options: OptionMap;
  /** Shortest prefix first: a later one wins. */
  readonly vendorOptions: readonly { readonly vendorClass: string; readonly options: OptionMap }[];
};

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

/** An address given by hand; `portKey` when it is the relay port's and not the machine's. */
export type ReservedAddress = { readonly address: number; readonly portKey: string | undefined };

/** The reservation of a MAC, else of the port its relay names. netboot-rules 5. */
export function reservedAddress(network: Network, mac: string, relay: Relay): ReservedAddress | undefined {
  const ofMac = network.reservationByMac.get(mac);
  if (ofMac !== undefined) return { address: ofMac, portKey: undefined };
  if (network.reservationByPort.size === 0 || relay.information === undefined) return undefined;
  const circuitId = relay.circuitId?.toString('hex');
  const remoteId = relay.remoteId?.toString('hex');
  for (const key of [portKey(circuitId, remoteId), portKey(circuitId, undefined), portKey(undefined, remoteId)]) {
    const address = network.reservationByPort.get(key);
    if (address !== undefined) return { address, portKey: key };
  }
  return undefined;
}

/** A relay's port as text: circuit id and remote id in hex, either may be missing. RFC 3046 sections 3.1 and 3.2. */
export function portKey(circuitId: string | undefined, remoteId: string | undefined): string {
  return `${circuitId ?? ''}/${remoteId ?? ''}`;
}

/** What is done for a client behind this relay, or for one on our own link when `relayAddress` is 0. */
export function modeAt(network: Network, relayAddress: number): DhcpMode {
  if (relayAddress === 0 || network.relayModes.length === 0) return network.mode;
  return network.relayModes.find((row) => subnetContains(row.relays, relayAddress))?.mode ?? network.mode;
}
