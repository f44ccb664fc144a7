/**
 * IPv4 addresses as unsigned 32-bit numbers in host arithmetic (127.0.0.1 is 0x7f000001), so that comparing, masking and
 * walking a range are plain arithmetic. Text is for the edges: tables, packets' peers, people.
 */

const OCTET = /^(?:0|[1-9]\d{0,2})$/;

/** A block of addresses, RFC 4632. `first` is the network address, `last` the directed broadcast address. */
export type Subnet = {
  readonly first: number;
  readonly last: number;
  /** Prefix length, 0 to 32. */
  readonly prefix: number;
  /** Network mask as a number, 255.255.0.0 for a /16. */
  readonly mask: number;
};

/** Reads a dotted quad. Undefined for anything else: no leading zeros, no short forms, no spaces. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    if (!OCTET.test(part)) return undefined;
    const octet = Number(part);
    if (octet > 255) return undefined;
    address = address * 256 + octet;
  }
  return address;
}

/** Writes an address as a dotted quad. */
export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** The mask of a prefix length, 0 to 32. */
export function maskOfPrefix(prefix: number): number {
  return prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
}

/** Reads `10.1.2.0/24`; host bits may be set and are masked away. Undefined when it is no CIDR block. */
export function parseSubnet(text: string): Subnet | undefined {
  const [addressText = '', prefixText, ...rest] = text.split('/');
  if (prefixText === undefined || rest.length > 0 || !/^\d{1,2}$/.test(prefixText)) return undefined;
  const address = parseIpv4(addressText);
  const prefix = Number(prefixText);
  if (address === undefined || prefix > 32) return undefined;
  const mask = maskOfPrefix(prefix);
  const first = (address & mask) >>> 0;
  return { first, last: (first | ~mask) >>> 0, prefix, mask };
}

/** Whether the address lies in the block, its first and last address included. */
export function subnetContains(subnet: Subnet, address: number): boolean {
  return address >= subnet.first && address <= subnet.last;
}

/** Where a server is. */
export type AddressPort = { readonly address: string; readonly port: number };

/** Reads `10.0.0.5` or `10.0.0.5:5300`. Undefined for anything else, names too. */
export function parseAddressPort(text: string, defaultPort: number): AddressPort | undefined {
  const [address = '', portText, ...rest] = text.split(':');
  if (rest.length > 0 || parseIpv4(address) === undefined) return undefined;
  if (portText === undefined) return { address, port: defaultPort };
  const port = Number(portText);
  return /^\d{1,5}$/.test(portText) && port >= 1 && port <= 65_535 ? { address, port } : undefined;
}
