/** The largest block that reaches a client unfragmented (netboot-rules 3). */
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { parseIpv4, parseSubnet, subnetContains, type Subnet } from '../shared/ipv4.js';

/** IPv4 header 20, UDP 8, opcode and block number 4. */
const HEADER_BYTES = 32;
/** RFC 2348. */
const LARGEST_BLOCK_BYTES = 65_464;
const ETHERNET_BLOCK_BYTES = 1_500 - HEADER_BYTES;
/** What every IPv4 host takes whole. RFC 791 section 3.1. */
const LEAST_MTU = 576;

/** The link of a local address: its own block and MTU; undefined where there is no interface that we can read. */
export type TftpLink = { readonly subnet: Subnet; readonly mtu: number } | undefined;

/** Reads the link once; an address of 127.0.0.0/8 that nobody has configured is the loopback's all the same. */
export async function readLink(localAddress: string): Promise<TftpLink> {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses]) => (addresses ?? []).map(({ address, cidr }) => ({ name, address, cidr })));
  const found = all.find(({ address }) => address === localAddress) ?? (localAddress.startsWith('127.') ? { name: 'lo', cidr: '127.0.0.0/8' } : undefined);
  const subnet = parseSubnet(found?.cidr ?? '');
  if (found === undefined || subnet === undefined) return undefined;
  const mtu = Number(await readFile(`/sys/class/net/${found.name}/mtu`, 'utf8').catch(() => Number.NaN));
  return Number.isInteger(mtu) && mtu >= LEAST_MTU ? { subnet, mtu } : undefined;
}

/**
 * PURE: the largest block for a client, bytes. On the link itself its MTU is the path's. Behind a router the path is not known to us
 * (the kernel keeps what ICMP told it to itself), and Ethernet's is what netboot paths have: jumbo frames end at the router.
 */
export function largestBlock(link: TftpLink, client: string): number {
  if (link === undefined) return ETHERNET_BLOCK_BYTES;
  const address = parseIpv4(client);
  const isOnLink = address !== undefined && subnetContains(link.subnet, address);
  return Math.min(link.mtu - HEADER_BYTES, isOnLink ? LARGEST_BLOCK_BYTES : ETHERNET_BLOCK_BYTES);
}
