/** The network every server of the bench serves: 10,000 to 100,000 reserved addresses, and a pool apart from them. */
export const SUBNET = '127.80.0.0/14';
/** The relay's address: on loopback, and outside what is given to machines. */
export const GIADDR = '127.83.255.1';
export const POOL = { first: '127.83.0.0', last: '127.83.200.255' };
/** Machines from this number on have no reservation. */
export const FIRST_UNRESERVED = 200_000;

/** The first 256 addresses stay free: a network's own address is nobody's. */
const OFFSET = 256;

/** The reserved address of a machine. */
export function addressOf(client: number): string {
  const at = client + OFFSET;
  return `127.${80 + (at >> 16)}.${(at >> 8) & 0xff}.${at & 0xff}`;
}
