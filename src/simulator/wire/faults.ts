import type { Counters } from '../counters.js';
import type { Random } from '../random.js';
import { textOption, type DhcpMessage } from './dhcp-packet.js';

/** What goes wrong on purpose. All zero is a perfect network. */
export type FaultRates = {
  /** Share of datagrams that vanish, in each direction, 0 to 1. */
  readonly loss: number;
  /** Share of installer callbacks whose answer never reaches the installer, so that it calls again. */
  readonly lostCallback: number;
  /** What is wrong with this machine and its cable; absent: nothing. */
  readonly quirks?: MachineQuirks;
};

/**
 * Faults that a machine has for good: what firmware, loaders, kernels, cables and filters of real sites do. Each is set by
 * itself; the boot doctor is tried against every one.
 */
export type MachineQuirks = {
  /** The firmware asks nobody: no link, PXE switched off. */
  readonly dead?: boolean;
  /** The disk is first in the boot order, whatever the BMC says. */
  readonly diskFirst?: boolean;
  /** The disk is told to boot and does not. */
  readonly badDisk?: boolean;
  /** Option 93 in place of the right one. */
  readonly architecture?: number;
  /** The UUID in option 97, in place of its own. */
  readonly uuid?: string;
  /** Option 57: the longest DHCP message the firmware takes. */
  readonly maximumMessageBytes?: number;
  /** Offers that the firmware drops: every one, those that carry this option, those without a boot file. */
  readonly dropsOffers?: 'all' | 'without-file' | number;
  /** The server whose offer it takes instead: a rival that only it hears. */
  readonly chooses?: string;
  /** It finds its address in use, and says so. */
  readonly declines?: boolean;
  /** It asks for this address of an earlier lease, and again after each NAK. */
  readonly insistsOn?: string;
  /** TFTP packets longer than this vanish on the way to it: an MTU hole. Bytes of payload. */
  readonly largestDatagram?: number;
  /** A filter drops its TFTP requests, or our answers. */
  readonly tftpBlocked?: 'requests' | 'answers';
  /** The cable fails after so many bytes of the loader. */
  readonly tftpDiesAfter?: number;
  /** Secure Boot refuses the loader; it hangs; it asks as if it were firmware. */
  readonly loader?: 'refused' | 'hangs' | 'unnamed';
  /** A filter drops its HTTP: nothing is fetched, or no kernel, or it is cut off after so many bytes. */
  readonly httpBlocked?: 'all' | 'files';
  readonly httpDiesAfter?: number;
  /** Milliseconds that iPXE waits for a router before it fetches its script. */
  readonly waitsForRouterMs?: number;
  /** The kernel finds no NIC; it asks for an address and takes none; the system gets one and cannot call. */
  readonly kernel?: 'no-nic' | 'no-lease' | 'mute';
  /** The installer stops on its console when it got no DNS server, or none but the DHCP server itself, which answers none here. */
  readonly needsDns?: boolean;
  /** Its calls carry this token. */
  readonly token?: string;
};

export const NO_FAULTS: FaultRates = { loss: 0, lostCallback: 0 };

/** Decides a datagram's fate and counts the lost ones. */
export function isLost(rate: number, random: Random, counters: Counters): boolean {
  if (rate <= 0 || random() >= rate) return false;
  counters.packetsDropped += 1;
  return true;
}

/** Whether firmware with these quirks takes an offer at all. */
export function takesOffer(quirks: MachineQuirks | undefined, offer: DhcpMessage): boolean {
  const drops = quirks?.dropsOffers;
  if (drops === undefined) return true;
  if (drops === 'all') return false;
  return drops === 'without-file' ? offer.file !== '' || textOption(offer, 67) !== undefined : !offer.options.has(drops);
}
