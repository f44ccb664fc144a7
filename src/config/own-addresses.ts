/** Addresses of this machine that the configuration leaves to it. */
import { networkInterfaces } from 'node:os';
import { parseIpv4 } from '../shared/ipv4.js';
import { listOf } from './list-of.js';

export const LOOPBACK = '127.0.0.1';

/** The first IPv4 address of an interface of this machine. */
export function addressOf(name: string | undefined): string | undefined {
  return name === undefined ? undefined : networkInterfaces()[name]?.find((address) => address.family === 'IPv4')?.address;
}

/** Never 0.0.0.0: a resolver on another address keeps its port 53 (netboot-rules 2). */
export function dnsAddresses(said: string, interfaces: readonly string[], bootHost: string | undefined): string[] {
  if (said === 'off') return [];
  if (said !== '') return listOf(said);
  const served = interfaces.map(addressOf).filter((address) => address !== undefined);
  if (served.length > 0) return served;
  // A host given by name is resolved by those who listen on it; DNS is bound by address.
  return [bootHost !== undefined && parseIpv4(bootHost) !== undefined ? bootHost : LOOPBACK];
}
