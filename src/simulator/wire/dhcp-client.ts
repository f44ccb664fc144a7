import { parseIpv4 } from '../../shared/ipv4.js';
import { uint32Bytes } from '../../shared/bytes.js';
import { BootFailure } from '../boot-failure.js';
import type { Counters } from '../counters.js';
import type { MachineIdentity } from '../identity.js';
import { jitter, type Random } from '../random.js';
import { MessageType, messageType, type DhcpMessage } from './dhcp-packet.js';
import { complaints, isAnswerTo, readLease, type Lease } from './dhcp-reply.js';
import { declineMessage, discoverMessage, rebootMessage, renewMessage, requestMessage, type DhcpQuestion, type DhcpStage } from './dhcp-requests.js';
import { takesOffer, type MachineQuirks } from './faults.js';
import { RelaySocket } from './relay-socket.js';

/** What a machine's DHCP client needs of its machine. */
export type DhcpClientOptions = {
  identity: MachineIdentity;
  server: { host: string; port: number };
  /** One try each, in milliseconds, before the stage fails; PXE 2.1 says 4, 8, 16, 32 s, iPXE takes 1, 2, 4, 8 s. */
  timeoutsMs: readonly number[];
  lossRate: number;
  quirks?: MachineQuirks | undefined;
  /** Takes no offer: a system that hears its answer on another NIC. */
  refusesLeases?: boolean;
  random: Random;
  counters: Counters;
  complain: (what: string) => void;
};

/** A server that says NAK to what it has just offered is not asked for ever. */
const MAX_NAKS = 2;

/**
 * DISCOVER, OFFER, REQUEST, ACK through the machine's relay agent. Every try is bounded; rejects with BootFailure `no-offer`
 * or `no-ack` when the last one is over, and with the signal's reason when the power goes.
 */
export async function acquireLease(options: DhcpClientOptions, stage: DhcpStage, signal: AbortSignal): Promise<Lease> {
  const { identity, random, counters, complain } = options;
  const quirks = stage === 'firmware' ? options.quirks : undefined;
  const socket = await openSocket(options);
  const startedAt = performance.now();
  const question = (transactionId: number): DhcpQuestion => ({
    identity,
    stage,
    transactionId,
    secs: Math.floor((performance.now() - startedAt) / 1000),
    quirks,
  });
  try {
    if (quirks?.insistsOn !== undefined) return await insist(options, quirks.insistsOn, socket, question, signal);
    for (let naks = 0; naks <= MAX_NAKS; naks += 1) {
      // A new transaction after a NAK: replies to the old one are stale. RFC 2131 section 4.4.1.
      const transactionId = Math.floor(random() * 0x1_0000_0000);
      const offered = await tryEach(options, socket, signal, () => {
        counters.dhcpDiscovers += 1;
        return {
          message: discoverMessage(question(transactionId)),
          accepts: [MessageType.offer],
          takes: (offer) => options.refusesLeases !== true && takesOffer(quirks, offer),
        };
      });
      if (offered === undefined) throw new BootFailure('no-offer', 'No DHCP or proxyDHCP offers were received');
      counters.dhcpOffers += 1;
      for (const text of complaints(offered.message, offered.reply, stage)) complain(`OFFER: ${text}`);
      const offer = readLease(offered.reply);
      if (typeof offer === 'string') throw new BootFailure('no-offer', `the OFFER is of no use: ${offer}`);

      const answered = await tryEach(options, socket, signal, () => {
        counters.dhcpRequests += 1;
        const message = requestMessage(question(transactionId), addressBytes(offer.address), addressBytes(quirks?.chooses ?? offer.serverId));
        return { message, accepts: [MessageType.ack, MessageType.nak] };
      });
      if (answered === undefined) throw new BootFailure('no-ack', `no answer to the REQUEST for ${offer.address}`);
      if (messageType(answered.reply) === MessageType.ack) {
        const granted = acknowledged(options, answered, stage);
        if (quirks?.declines !== true) return granted;
        socket.tell(declineMessage(question(transactionId), addressBytes(granted.address), addressBytes(granted.serverId)));
        throw new BootFailure('no-ack', `${granted.address} is in use by another machine`);
      }
      counters.dhcpNaks += 1;
    }
    throw new BootFailure('no-ack', 'the server takes back each address it offers');
  } finally {
    socket.close();
  }
}

/** Firmware that asks for an old address over and over, and never starts anew. */
async function insist(
  options: DhcpClientOptions,
  address: string,
  socket: RelaySocket,
  question: (transactionId: number) => DhcpQuestion,
  signal: AbortSignal,
): Promise<Lease> {
  for (let naks = 0; naks <= MAX_NAKS; naks += 1) {
    const transactionId = Math.floor(options.random() * 0x1_0000_0000);
    const answered = await tryEach(options, socket, signal, () => {
      options.counters.dhcpRequests += 1;
      return { message: rebootMessage(question(transactionId), addressBytes(address)), accepts: [MessageType.ack, MessageType.nak] };
    });
    if (answered !== undefined && messageType(answered.reply) === MessageType.ack) return acknowledged(options, answered, 'firmware');
    options.counters.dhcpNaks += 1;
  }
  throw new BootFailure('no-ack', `the server refuses ${address}`);
}

/** Extends the lease of a running system at T1. Undefined when nobody answered or the server said no: the lease runs on. */
export async function renewLease(options: DhcpClientOptions, address: string, signal: AbortSignal): Promise<Lease | undefined> {
  const { identity, random, counters } = options;
  const socket = await openSocket(options);
  const transactionId = Math.floor(random() * 0x1_0000_0000);
  try {
    const answered = await tryEach(options, socket, signal, () => {
      counters.dhcpRequests += 1;
      return { message: renewMessage({ identity, stage: 'system', transactionId, secs: 0 }, address), accepts: [MessageType.ack, MessageType.nak] };
    });
    if (answered === undefined) return undefined;
    if (messageType(answered.reply) === MessageType.nak) {
      counters.dhcpNaks += 1;
      return undefined;
    }
    return acknowledged(options, answered, 'system');
  } finally {
    socket.close();
  }
}

type Answered = { message: DhcpMessage; reply: DhcpMessage };

/** Sends the built message once per timeout, longer each time, until an answer of an accepted type comes. */
async function tryEach(
  options: DhcpClientOptions,
  socket: RelaySocket,
  signal: AbortSignal,
  build: () => { message: DhcpMessage; accepts: readonly number[]; takes?: (reply: DhcpMessage) => boolean },
): Promise<Answered | undefined> {
  for (const timeoutMs of options.timeoutsMs) {
    const { message, accepts, takes = () => true } = build();
    const isAnswer = (reply: DhcpMessage) => isAnswerTo(message, reply) && accepts.includes(messageType(reply) ?? 0) && takes(reply);
    const reply = await socket.ask(message, isAnswer, jitter(options.random, timeoutMs), signal);
    if (reply !== undefined) return { message, reply };
    options.counters.dhcpTimeouts += 1;
  }
  return undefined;
}

function acknowledged(options: DhcpClientOptions, answered: Answered, stage: DhcpStage): Lease {
  options.counters.dhcpAcks += 1;
  for (const text of complaints(answered.message, answered.reply, stage)) options.complain(`ACK: ${text}`);
  const lease = readLease(answered.reply);
  if (typeof lease === 'string') throw new BootFailure('no-ack', `the ACK is of no use: ${lease}`);
  return lease;
}

async function openSocket(options: DhcpClientOptions): Promise<RelaySocket> {
  return RelaySocket.open({
    relayAddress: options.identity.relayAddress,
    server: options.server,
    lossRate: options.lossRate,
    random: options.random,
    counters: options.counters,
    complain: options.complain,
  });
}

function addressBytes(address: string): Buffer {
  return uint32Bytes(parseIpv4(address) ?? 0);
}
