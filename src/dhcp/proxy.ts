/**
 * PURE: what is answered where another server gives the addresses, and on port 4011 (PXE 2.1 section 2.2). A boot file, never an
 * address: yiaddr stays 0.
 */
import { subnetContains } from '../shared/ipv4.js';
import { MessageType } from './codes.js';
import { ignore, type Decision } from './decision.js';
import { isKnownMachine, type Situation } from './situation.js';

/**
 * Port 67 in mode proxy: a booting machine's DISCOVER is answered. The REQUEST by which it takes the other server's address is only
 * remembered, of machines that boot or that we know; what else is said there is none of our business.
 */
export function decideProxy(situation: Situation, type: number | undefined, requested: number | undefined): Decision {
  const { client, network, packet } = situation;
  const concernsUs = client.stage !== 'other' || isKnownMachine(situation);
  if (type === MessageType.discover) return client.stage === 'other' ? ignore('not-a-boot-client') : { kind: 'boot', type: MessageType.offer };
  if (type !== MessageType.request || !concernsUs) return ignore('proxy-mode');
  const address = requested ?? packet.clientIpAddress;
  return subnetContains(network.subnet, address) ? { kind: 'observe', address } : ignore('proxy-mode');
}

/**
 * Port 4011, in every mode (netboot-rules 4): firmware asks here with a REQUEST (PXE 2.1 section 2.2.5), some with an INFORM, when
 * the first offer left the file open.
 */
export function decideBootServer({ client }: Situation, type: number | undefined): Decision {
  if (type !== MessageType.request && type !== MessageType.inform) return ignore('unknown-message-type');
  return client.stage === 'other' ? ignore('not-a-boot-client') : { kind: 'boot', type: MessageType.ack };
}
