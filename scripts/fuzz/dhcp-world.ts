/** The site of the fuzzed DHCP server: one network of each mode, addresses and machines that mean something in it. */
import { parseIpv4 } from '../../src/shared/ipv4.js';
import { macBytes } from '../../src/shared/mac.js';
import { buildNetworks } from '../../src/dhcp/network-rows.js';
import type { KnownAddresses } from './dhcp-packets.js';

const MODES = ['authoritative', 'reservations', 'proxy', 'off'];
/** 10.1.0.0/24 to 10.4.0.0/24; in each 100 pool addresses and 10 reservations. */
const POOL = 100;
const RESERVED = 10;

const address = (text: string): number => {
  const value = parseIpv4(text);
  if (value === undefined) throw new Error(`${text} is not an address`);
  return value;
};
const mac = (network: number, host: number): string => `52:54:00:00:0${network}:${host.toString(16).padStart(2, '0')}`;

const ids = MODES.map((_, index) => index + 1);

export const NETWORKS = buildNetworks(
  MODES.map((dhcp_mode, index) => ({
    id: index + 1,
    name: dhcp_mode,
    subnet: `10.${index + 1}.0.0/24`,
    router: `10.${index + 1}.0.254`,
    dns: index === 0 ? ['10.1.0.1', '10.1.0.2'] : [],
    domain: 'lab.example',
    dhcp_mode,
    lease_seconds: 600,
  })),
  ids.map((id) => ({ network_id: id, name: 'dhcp', first_address: `10.${id}.0.100`, last_address: `10.${id}.0.${99 + POOL}` })),
  ids.flatMap((id) => Array.from({ length: RESERVED }, (_, host) => ({ network_id: id, address: `10.${id}.0.${10 + host}`, mac: mac(id, host) }))),
).networks;

/** The server's address on the first network, and what it hears directly is there. */
export const ENDPOINT = address('10.1.0.1');

/** Addresses that may ever be in the lease book. */
export const POOL_SIZE = MODES.length * (POOL + RESERVED);

const texts = ['0.0.0.0', '255.255.255.255', '224.0.0.1', '127.0.0.1', '192.0.2.7', '10.1.0.1', '10.1.0.0', '10.1.0.255', '10.1.0.254'];
const hosts = ids.flatMap((id) => [1, 10, 11, 100, 101, 150, 199].map((host) => `10.${id}.0.${host}`));

export const KNOWN: KnownAddresses = {
  addresses: [...texts, ...hosts].map(address),
  // Reserved machines, and more strangers than the pool has room for.
  macs: ids.flatMap((id) => Array.from({ length: 60 }, (_, host) => macBytes(mac(id, host)) ?? Buffer.alloc(6))),
};
