/** PURE: networks with some of their reservations changed. One among 100,000 costs what it is about, not what there is. */
import { parseIpv4 } from '../shared/ipv4.js';
import type { Network } from './network.js';
import { reserve, reservePorts, type ReservationRow } from './network-rows.js';

/** An address whose reservation has changed, with the row that it has now; null when it has none any more. */
export type ReservationChange = { readonly address: string; readonly row: ReservationRow | null };

/**
 * The networks after the changes. The maps of reservations are brought up to date in place; a network whose reservations changed
 * is a new object on them, so that who has made something from it sees that it is another. The sentences are of rows left out.
 */
export function changeReservations(
  networks: readonly Network[],
  changes: readonly ReservationChange[],
): { readonly networks: readonly Network[]; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const touched = new Set<Network>();
  // All are free first: a machine may have gone from one address to another, or two may have changed places.
  for (const { address } of changes) for (const network of networks) if (release(network, parseIpv4(address))) touched.add(network);
  for (const { row } of changes) {
    const network = networks.find((one) => one.id === row?.network_id);
    if (row === null || network === undefined) continue;
    const problem = reserve(network, row);
    if (problem === undefined) touched.add(network);
    else problems.push(`network ${network.name}: ${problem}`);
  }
  for (const network of touched) reservePorts(network);
  return { networks: networks.map((network) => (touched.has(network) ? { ...network } : network)), problems };
}

/** False when the network had no reservation of that address. */
function release(network: Network, address: number | undefined): boolean {
  const { reservationByMac, reservationByAddress, hostNameByMac, reservationByPort } = network;
  const stored = address === undefined ? undefined : reservationByAddress.get(address);
  if (address === undefined || stored === undefined) return false;
  reservationByAddress.delete(address);
  // An address of a relay's port does not say whose else it is.
  const isPort = stored === '' && [...reservationByPort.values()].includes(address);
  const mac = isPort ? [...reservationByMac].find(([, held]) => held === address)?.[0] : stored;
  if (mac !== undefined && reservationByMac.get(mac) === address) {
    reservationByMac.delete(mac);
    hostNameByMac.delete(mac);
  }
  return true;
}
