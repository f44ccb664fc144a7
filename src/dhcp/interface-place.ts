/** Where an interface is in the address plan now. */
import { networkInterfaces } from 'node:os';
import { parseIpv4, parseSubnet, type Subnet } from '../shared/ipv4.js';

/** Its IPv4 address, uint32, and the block that address is in. */
export type Place = { readonly address: number; readonly subnet: Subnet | undefined };

/** An interface without an address, or that is not there. */
export const NOWHERE: Place = { address: 0, subnet: undefined };

/** The first IPv4 address of the interface; undefined when it has none. */
export function placeOf(interfaceName: string): Place | undefined {
  const found = networkInterfaces()[interfaceName]?.find((candidate) => candidate.family === 'IPv4');
  const address = found === undefined ? undefined : parseIpv4(found.address);
  if (address === undefined) return undefined;
  return { address, subnet: parseSubnet(found?.cidr ?? '') };
}
