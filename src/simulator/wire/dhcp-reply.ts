/**
 * What a client takes out of an OFFER or ACK, and what it finds wrong with it. Firmware is less forgiving than this: each
 * complaint is something that makes some real ROM give up, so a rack's complaint counter has to stay at zero.
 */
import { addressesOption, addressOption, setAddress, textOption, uint32Option, type DhcpMessage } from './dhcp-packet.js';
import type { DhcpStage } from './dhcp-requests.js';

/** What the machine got. Addresses as dotted quads. */
export type Lease = {
  readonly address: string;
  readonly leaseSeconds: number;
  /** T1; half the lease when option 58 is absent. RFC 2131 section 4.4.5. */
  readonly renewSeconds: number;
  readonly serverId: string;
  /** siaddr, else option 66 when it is an address. */
  readonly nextServer: string | undefined;
  /** `file`, else option 67. */
  readonly bootFile: string | undefined;
  /** Option 6. */
  readonly dns: readonly string[];
};

/** Whether the reply belongs to this conversation; anything else on the port is not ours. RFC 2131 section 4.4.1. */
export function isAnswerTo(question: DhcpMessage, reply: DhcpMessage): boolean {
  return reply.op === 2 && reply.transactionId === question.transactionId && reply.mac === question.mac;
}

/** The lease in a reply, or why there is none. */
export function readLease(reply: DhcpMessage): Lease | string {
  const address = setAddress(reply.yourAddress);
  if (address === undefined) return 'yiaddr is not set';
  const serverId = addressOption(reply, 54);
  if (serverId === undefined) return 'no server identifier (54)';
  const leaseSeconds = uint32Option(reply, 51);
  if (leaseSeconds === undefined) return 'no lease time (51)';
  return {
    address,
    leaseSeconds,
    renewSeconds: uint32Option(reply, 58) ?? Math.floor(leaseSeconds / 2),
    serverId,
    nextServer: setAddress(reply.nextServer) ?? textOption(reply, 66),
    bootFile: reply.file === '' ? textOption(reply, 67) : reply.file,
    dns: addressesOption(reply, 6),
  };
}

/** What is wrong with a reply to `stage`; empty when nothing is. */
export function complaints(question: DhcpMessage, reply: DhcpMessage, stage: DhcpStage): string[] {
  const found: string[] = [];
  const check = (holds: boolean, text: string) => {
    if (!holds) found.push(text);
  };
  const same = (code: number) => question.options.get(code)?.equals(reply.options.get(code) ?? Buffer.alloc(0)) === true;
  check(same(82), 'option 82 is not echoed as it came (RFC 3046 section 2.2)');
  check(reply.relayAddress === question.relayAddress, 'giaddr is not echoed (RFC 2131 table 3)');
  check(reply.hops === 0, 'hops is not zero in a reply (RFC 2131 table 3)');
  check(addressOption(reply, 1) !== undefined, 'no subnet mask (1)');
  if (reply.options.has(61)) check(same(61), 'option 61 is not the one that was sent (RFC 6842)');
  if (question.options.has(97)) check(same(97), 'option 97 is not echoed (netboot-rules 4)');
  if (stage === 'firmware') {
    check(textOption(reply, 60) === 'PXEClient', 'option 60 is not PXEClient: a PXE ROM ignores the offer (netboot-rules 4)');
    check(reply.options.has(43), 'PXEClient without option 43: OVMF goes to port 4011 (netboot-rules 4)');
    check(setAddress(reply.nextServer) !== undefined, 'siaddr is not set (netboot-rules 4)');
  }
  return found;
}
