/**
 * PURE: what is answered where another server gives the addresses, and on port 4011 (PXE 2.1 section 2.2). A boot file, never an
 * address: yiaddr stays 0.
 */
import { MessageType } from './codes.js';
import { ignore, type Decision } from './decision.js';
import type { Situation } from './situation.js';

/** Port 67 in mode proxy: only a booting machine's DISCOVER is ours, the rest is the other server's. */
export function decideProxy({ client }: Situation, type: number | undefined): Decision {
  if (type !== MessageType.discover) return ignore('proxy-mode');
  return client.stage === 'other' ? ignore('not-a-boot-client') : { kind: 'boot', type: MessageType.offer };
}

/**
 * Port 4011, in every mode (netboot-rules 4): firmware asks here with a REQUEST (PXE 2.1 section 2.2.5), some with an INFORM, when
 * the first offer left the file open.
 */
export function decideBootServer({ client }: Situation, type: number | undefined): Decision {
  if (type !== MessageType.request && type !== MessageType.inform) return ignore('unknown-message-type');
  return client.stage === 'other' ? ignore('not-a-boot-client') : { kind: 'boot', type: MessageType.ack };
}
