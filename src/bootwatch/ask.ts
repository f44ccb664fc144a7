/** PURE: what Prybar answers to a message, and how it came to that, rule by rule. Nothing is promised, written or sent. */
import { macBytes } from '../shared/mac.js';
import { formatIpv4, subnetContains } from '../shared/ipv4.js';
import { uint16Bytes } from '../shared/bytes.js';
import { composeAnswer, type ServerSettings, type Statement } from '../dhcp/answer.js';
import { BootpOp, MessageType, OptionCode } from '../dhcp/codes.js';
import { describeDecision, type Decision } from '../dhcp/decision.js';
import type { Arrival } from '../dhcp/destination.js';
import type { Network } from '../dhcp/network.js';
import { CHADDR_BYTES, type DhcpPacket } from '../dhcp/packet.js';
import { decide } from '../dhcp/respond.js';
import { situate, type Knowledge, type Situation } from '../dhcp/situation.js';
import type { TraceStep } from '../dhcp/trace.js';
import { packetWords, type PacketWords } from './packet-words.js';

/** What the asker says; as an operator writes it. */
export type Question = {
  readonly mac: string;
  readonly type: 'discover' | 'request' | 'inform';
  readonly arch: number | undefined;
  readonly vendor: string | undefined;
  readonly userClass: string | undefined;
  readonly requested: number | undefined;
  readonly secs: number;
  /** Option 57; undefined: not said. */
  readonly maximumBytes: number | undefined;
  /** giaddr; 0 on our own link. */
  readonly relay: number;
  /** Further options, by code. */
  readonly options: ReadonlyMap<number, Buffer>;
};

export type Reaction = {
  readonly network: string | null;
  /** `offer 10.0.0.9`, `ignore: pool-exhausted`. */
  readonly decision: string;
  readonly rules: readonly TraceStep[];
  readonly reply: { readonly words: PacketWords; readonly bytes: number; readonly leftOut: readonly number[]; readonly to: string } | null;
};

const TYPES = { discover: MessageType.discover, request: MessageType.request, inform: MessageType.inform } as const;

/** The message that a client would send. */
export function askPacket(question: Question): DhcpPacket {
  const { mac, type, arch, vendor, userClass, requested, maximumBytes } = question;
  const chaddr = Buffer.alloc(CHADDR_BYTES);
  macBytes(mac)?.copy(chaddr);
  const options = new Map<number, Buffer>([[OptionCode.messageType, Buffer.from([TYPES[type]])]]);
  const address = Buffer.alloc(4);
  address.writeUInt32BE(requested ?? 0);
  if (requested !== undefined && type !== 'inform') options.set(OptionCode.requestedIpAddress, address);
  if (vendor !== undefined) options.set(OptionCode.vendorClass, Buffer.from(vendor));
  if (arch !== undefined) options.set(OptionCode.clientArchitecture, uint16Bytes(arch));
  if (userClass !== undefined) options.set(OptionCode.userClass, Buffer.from(userClass));
  if (maximumBytes !== undefined) options.set(OptionCode.maximumMessageSize, uint16Bytes(maximumBytes));
  for (const [code, value] of question.options) options.set(code, value);
  return {
    op: BootpOp.request,
    hardwareType: 1,
    hardwareLength: 6,
    hops: question.relay === 0 ? 0 : 1,
    transactionId: 1,
    secs: question.secs,
    flags: 0,
    clientIpAddress: type === 'inform' ? (requested ?? 0) : 0,
    yourIpAddress: 0,
    nextServerIpAddress: 0,
    relayIpAddress: question.relay,
    clientHardwareAddress: chaddr,
    serverName: Buffer.alloc(0),
    bootFile: Buffer.alloc(0),
    options,
  };
}

/** The address that a server on a network would hear it at: its own when that lies there, else the last of the network, which is seldom a router's. */
export function hearingAddress(network: Network, own: readonly number[]): number {
  return network.serverIdentifier ?? own.find((address) => subnetContains(network.subnet, address)) ?? network.subnet.last - 1;
}

/** Decides as the server does, with a trace. */
export function reactTo(packet: DhcpPacket, arrival: Arrival, knowledge: Knowledge, server: ServerSettings): Reaction {
  const rules: TraceStep[] = [];
  const situation = situate(packet, arrival, knowledge, rules);
  if ('reason' in situation) return { network: null, decision: `ignore: ${situation.reason}`, rules, reply: null };
  const decision = decide(situation, rules);
  const statement = statementOf(decision, situation);
  const answer = statement === undefined ? undefined : composeAnswer(situation, statement, server, true, rules);
  const reply =
    answer?.ok === true
      ? {
          words: packetWords(answer.value.packet),
          bytes: answer.value.bytes.length,
          leftOut: answer.value.leftOut,
          to: `${formatIpv4(answer.value.destination.address)}:${answer.value.destination.port}`,
        }
      : null;
  return { network: situation.network.name, decision: describeDecision(decision), rules, reply };
}

/** What is said to a decision; undefined when nothing is. */
function statementOf(decision: Decision, { network }: Situation): Statement | undefined {
  const leaseSeconds = network.leaseSeconds;
  switch (decision.kind) {
    case 'offer':
      return { type: MessageType.offer, address: decision.address, leaseSeconds, isBootOnly: false };
    case 'acknowledge':
      return { type: MessageType.ack, address: decision.address, leaseSeconds, isBootOnly: false };
    case 'inform':
      return { type: MessageType.ack, address: 0, leaseSeconds: undefined, isBootOnly: false };
    case 'bootp':
      return { type: undefined, address: decision.address, leaseSeconds: undefined, isBootOnly: false };
    case 'boot':
      return { type: decision.type, address: 0, leaseSeconds: undefined, isBootOnly: true };
    case 'refuse':
      return { type: MessageType.nak, address: 0, leaseSeconds: undefined, isBootOnly: false, message: decision.reason };
    case 'release':
    case 'decline':
    case 'observe':
    case 'ignore':
      return undefined;
  }
}
