/**
 * PURE: a capture of DHCP packets explained: what each says, what we would answer to each request, what is wrong with each answer
 * for whoever asked, and where a client gave up. netboot-rules 23.
 */
import { formatIpv4 } from '../shared/ipv4.js';
import { formatMac } from '../shared/mac.js';
import type { ServerSettings } from '../dhcp/answer.js';
import { describeClient } from '../dhcp/client.js';
import { MessageType, OptionCode } from '../dhcp/codes.js';
import { messageName } from '../dhcp/decision.js';
import { networkOfAddress } from '../dhcp/network.js';
import { parsePacket, type DhcpPacket } from '../dhcp/packet.js';
import type { Knowledge } from '../dhcp/situation.js';
import { hearingAddress, reactTo, type Reaction } from './ask.js';
import { complaintsAbout, type Complaint } from './demands.js';
import { isReply, packetWords, type PacketWords } from './packet-words.js';

/** One captured datagram of DHCP. Addresses are uint32. */
export type Captured = {
  readonly atMs: number;
  readonly source: number;
  readonly sourcePort: number;
  readonly destination: number;
  readonly destinationPort: number;
  readonly bytes: Buffer;
};

export type ExplainedPacket = {
  /** From 1, in the order of the capture. */
  readonly number: number;
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly mac: string;
  /** Null when it is no DHCP message: `error` says why. */
  readonly words: PacketWords | null;
  readonly error: string | null;
  /** To a request: what we would answer. */
  readonly ours: Reaction | null;
  /** To an answer: what is wrong with it for this client. */
  readonly complaints: readonly Complaint[];
};

/** How a client's conversation ended. `packet` and `offset` name the byte that made it give up, where one did. */
export type Verdict = { readonly mac: string; readonly text: string; readonly packet: number | null; readonly offset: number | null };

const BOOT_SERVER_PORT = 4011;
const BROADCAST = 0xffffffff;

type Read = { explained: ExplainedPacket; packet: DhcpPacket | undefined; bytes: Buffer };

/** Explains every datagram, and gives a verdict for each client. Never throws for bytes. */
export function explainCapture(
  captured: readonly Captured[],
  knowledge: Knowledge,
  server: ServerSettings,
): { packets: ExplainedPacket[]; verdicts: Verdict[] } {
  const reads: Read[] = [];
  for (const [index, datagram] of captured.entries()) reads.push(explainOne(datagram, index + 1, reads, knowledge, server));
  const macs = [...new Set(reads.map((read) => read.explained.mac))].filter((mac) => mac !== '');
  return {
    packets: reads.map((read) => read.explained),
    verdicts: macs.map((mac) =>
      judge(
        mac,
        reads.filter((read) => read.explained.mac === mac),
      ),
    ),
  };
}

function explainOne(datagram: Captured, number: number, before: readonly Read[], knowledge: Knowledge, server: ServerSettings): Read {
  const { atMs, source, sourcePort, destination, destinationPort, bytes } = datagram;
  const parsed = parsePacket(bytes);
  const shared = { number, atMs, from: `${formatIpv4(source)}:${sourcePort}`, to: `${formatIpv4(destination)}:${destinationPort}` };
  if (!parsed.ok) {
    const complaints = complaintsAbout(bytes, NOBODY.client, NOBODY.packet);
    return { explained: { ...shared, mac: macIn(bytes), words: null, error: parsed.error, ours: null, complaints }, packet: undefined, bytes };
  }
  const packet = parsed.value;
  const mac = formatMac(packet.clientHardwareAddress, packet.hardwareLength);
  const words = packetWords(packet);
  if (!isReply(packet)) {
    return { explained: { ...shared, mac, words, error: null, ours: ourAnswer(packet, datagram, knowledge, server), complaints: [] }, packet, bytes };
  }
  const question = before.findLast((read) => read.packet !== undefined && !isReply(read.packet) && read.packet.transactionId === packet.transactionId);
  const complaints = question?.packet === undefined ? [] : complaintsAbout(bytes, describeClient(question.packet), question.packet);
  return { explained: { ...shared, mac, words, error: null, ours: null, complaints }, packet, bytes };
}

const NOBODY = nobody();

/** A question that asks nothing, for answers that cannot be read. */
function nobody() {
  const parsed = parsePacket(Buffer.concat([Buffer.alloc(236), Buffer.from([0x63, 0x82, 0x53, 0x63, 255])]));
  if (!parsed.ok) throw new Error(parsed.error);
  return { packet: parsed.value, client: describeClient(parsed.value) };
}

/** The answer of a server of ours on the network that the capture was made on. */
function ourAnswer(packet: DhcpPacket, datagram: Captured, knowledge: Knowledge, server: ServerSettings): Reaction {
  const { source, sourcePort, destination, destinationPort } = datagram;
  const byAddress = [packet.clientIpAddress, source, destination === BROADCAST ? 0 : destination].find(
    (address) => networkOfAddress(knowledge.networks, address) !== undefined,
  );
  const network = byAddress === undefined ? knowledge.networks[0] : networkOfAddress(knowledge.networks, byAddress);
  const localAddress = network === undefined || packet.relayIpAddress !== 0 ? (knowledge.serverIds[0] ?? 0) : hearingAddress(network, knowledge.serverIds);
  const arrival = { localAddress, localPort: 67, isBootServer: destinationPort === BOOT_SERVER_PORT, sourceAddress: source, sourcePort };
  return reactTo(packet, arrival, knowledge, server);
}

const typeOf = (read: Read | undefined) => read?.packet?.options.get(OptionCode.messageType)?.[0];

/** Where the conversation of one client ended. */
function judge(mac: string, reads: readonly Read[]): Verdict {
  const say = (text: string, read?: Read, complaint?: Complaint): Verdict => ({
    mac,
    text: complaint === undefined ? text : `${text}, at byte ${complaint.offset}: ${complaint.what} (${complaint.source})`,
    packet: read?.explained.number ?? null,
    offset: complaint?.offset ?? null,
  });
  const broken = reads.find((read) => read.packet === undefined);
  const last = reads.at(-1);
  const lastAsked = reads.findLast((read) => read.packet !== undefined && !isReply(read.packet));
  if (lastAsked === undefined) return say('only answers were captured, no question', last);
  const answers = reads.slice(reads.indexOf(lastAsked) + 1).filter((read) => read.packet !== undefined && isReply(read.packet));
  const asked = messageName(typeOf(lastAsked));
  if (answers.length === 0) {
    return broken === undefined
      ? say(`its last ${asked} (packet ${lastAsked.explained.number}) got no answer in the capture`, lastAsked)
      : say(`it could not read packet ${broken.explained.number}`, broken, broken.explained.complaints[0]);
  }
  const nak = answers.find((read) => typeOf(read) === MessageType.nak);
  if (nak !== undefined) return say(`it was refused by packet ${nak.explained.number}`, nak);
  const acknowledged = answers.find((read) => typeOf(read) === MessageType.ack);
  const final = acknowledged ?? answers.at(-1);
  const complaint = final?.explained.complaints[0];
  if (acknowledged !== undefined) {
    return complaint === undefined
      ? say(`it has its lease (packet ${acknowledged.explained.number}), and nothing is wrong with the answer`, acknowledged)
      : say(`it has its lease (packet ${acknowledged.explained.number}) and will not boot from it`, acknowledged, complaint);
  }
  if (complaint !== undefined) return say(`it gave up on the offer in packet ${final?.explained.number ?? 0}`, final, complaint);
  return say(`it took none of ${answers.length} offers, though nothing is wrong with them: look whether they reach it`, final);
}

/** chaddr of bytes that are not a message: enough to say whose they are. */
function macIn(bytes: Buffer): string {
  return bytes.length >= 34 ? formatMac(bytes.subarray(28, 34)) : '';
}
