/** The largest block that leaves an interface unfragmented (netboot-rules 3). */
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';

/** IPv4 header 20, UDP 8, opcode and block number 4. */
const HEADER_BYTES = 32;
/** RFC 2348. */
const LARGEST_BLOCK_BYTES = 65_464;
const ETHERNET_BLOCK_BYTES = 1_500 - HEADER_BYTES;

/** Bytes; Ethernet's when the address is of no interface we can read. */
export async function largestBlock(localAddress: string): Promise<number> {
  const found = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some(({ address }) => address === localAddress));
  // An address of 127.0.0.0/8 that nobody has configured is the loopback's all the same.
  const name = found?.[0] ?? (localAddress.startsWith('127.') ? 'lo' : undefined);
  if (name === undefined) return ETHERNET_BLOCK_BYTES;
  const mtu = Number(await readFile(`/sys/class/net/${name}/mtu`, 'utf8').catch(() => Number.NaN));
  return Number.isInteger(mtu) && mtu >= 576 ? Math.min(mtu - HEADER_BYTES, LARGEST_BLOCK_BYTES) : ETHERNET_BLOCK_BYTES;
}
