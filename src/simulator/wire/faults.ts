import type { Counters } from '../counters.js';
import type { Random } from '../random.js';

/** What goes wrong on purpose. All zero is a perfect network. */
export type FaultRates = {
  /** Share of datagrams that vanish, in each direction, 0 to 1. */
  readonly loss: number;
  /** Share of installer callbacks whose answer never reaches the installer, so that it calls again. */
  readonly lostCallback: number;
};

export const NO_FAULTS: FaultRates = { loss: 0, lostCallback: 0 };

/** Decides a datagram's fate and counts the lost ones. */
export function isLost(rate: number, random: Random, counters: Counters): boolean {
  if (rate <= 0 || random() >= rate) return false;
  counters.packetsDropped += 1;
  return true;
}
