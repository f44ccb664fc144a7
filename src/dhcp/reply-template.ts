/**
 * PURE: a reply as bytes of which only some places are one machine's or one message's. A template is cut from a reply that answer.ts
 * built, and fits every machine of the network whose program says the same words: for a rack that is powered on one reply is built
 * and a thousand are filled in. What a template cannot say to the byte is built each time: see cutTemplate.
 */
import { macWithDashes } from '../shared/mac.js';
import type { Answer, Statement } from './answer.js';
import { OptionCode } from './codes.js';
import { MINIMUM_BYTES } from './encode.js';
import { OPTIONS_OFFSET } from './packet.js';
import { copiedClientAddress, machineName, rebindingSeconds, renewalSeconds, replyLimitBytes } from './reply.js';
import type { Situation } from './situation.js';

/** Where the values of options 53, 54, 51, 58 and 59 are: they begin every OFFER and ACK, in this order. */
const TYPE_AT = OPTIONS_OFFSET + 2;
const SERVER_AT = TYPE_AT + 3;
const LEASE_AT = SERVER_AT + 6;
const RENEWAL_AT = LEASE_AT + 6;
const REBINDING_AT = RENEWAL_AT + 6;
const BEGINNING: readonly (readonly [at: number, code: number])[] = [
  [TYPE_AT, OptionCode.messageType],
  [SERVER_AT, OptionCode.serverIdentifier],
  [LEASE_AT, OptionCode.leaseTime],
  [RENEWAL_AT, OptionCode.renewalTime],
  [REBINDING_AT, OptionCode.rebindingTime],
];
/** What a template fills in; an operator's option of such a code would be overwritten. */
const FILLED_IN: ReadonlySet<number> = new Set([
  ...BEGINNING.map(([, code]) => code),
  OptionCode.hostName,
  OptionCode.domainName,
  OptionCode.clientIdentifier,
  OptionCode.relayAgentInformation,
  OptionCode.clientUuid,
]);
const PART_BYTES = 255;

export type ReplyTemplate = {
  /** Everything before the machine's name. */
  readonly head: Buffer;
  /** Options between its name and what is echoed. */
  readonly middle: Buffer;
  readonly limitBytes: number;
  /** Where option 97 is echoed; 0 when it is not. */
  readonly uuidAt: number;
  /** Where the MAC stands as text with dashes: in the URL of iPXE's script. */
  readonly macTextsAt: readonly number[];
  /** What the reply says of the boot, for the first machine. */
  readonly boot: Answer['boot'];
  readonly customCodes: readonly number[];
};

/**
 * The template of a reply that was built. Undefined when filling it in does not give the very same bytes back, and so for what
 * did not fit the client and for options of the operator in a place that is filled in.
 */
export function cutTemplate(situation: Situation, statement: Statement, answer: Answer): ReplyTemplate | undefined {
  const { bytes, leftOut, boot, customCodes } = answer;
  if (leftOut.length > 0 || customCodes.some((code) => FILLED_IN.has(code))) return undefined;
  if (BEGINNING.some(([at, code]) => bytes[at - 2] !== code)) return undefined;
  const { uuidAt, headEnd, middleStart, middleEnd } = findPlaces(bytes);
  const head = Buffer.from(bytes.subarray(0, headEnd));
  const template: ReplyTemplate = {
    head,
    middle: Buffer.from(bytes.subarray(middleStart, middleEnd)),
    limitBytes: replyLimitBytes(situation.packet),
    uuidAt,
    macTextsAt: situation.client.stage === 'ipxe' ? placesOf(macWithDashes(situation.client.mac), head) : [],
    boot,
    customCodes,
  };
  return fillIn(template, situation, statement)?.equals(bytes) === true ? template : undefined;
}

/**
 * The reply to one message, which must be of the template's program, network, interface and of the same length of option 97.
 * Undefined when it has to be built: no room for it, or a length or a letter that templates do not know.
 */
export function fillIn(template: ReplyTemplate, situation: Situation, statement: Statement): Buffer | undefined {
  const { client, relay, entry, network } = situation;
  const { head, middle, uuidAt } = template;
  const { label, domain } = machineName(entry?.hostName ?? network.hostNameByMac.get(client.mac), network);
  const echoedBytes = optionBytes(client.clientId) + optionBytes(relay.information);
  const end = head.length + textOptionBytes(label) + textOptionBytes(domain) + middle.length + echoedBytes;
  if (end + 1 > Math.max(template.limitBytes, MINIMUM_BYTES)) return undefined;
  const bytes = Buffer.allocUnsafe(Math.max(end + 1, MINIMUM_BYTES));
  bytes.set(head);
  writeExchange(bytes, situation, statement);
  if (uuidAt > 0 && client.uuid !== undefined) bytes.set(client.uuid, uuidAt);
  for (const at of template.macTextsAt) writeText(bytes, at, macWithDashes(client.mac));
  const afterLabel = writeTextOption(bytes, head.length, OptionCode.hostName, label);
  const afterName = writeTextOption(bytes, afterLabel, OptionCode.domainName, domain);
  if (Number.isNaN(afterName)) return undefined;
  bytes.set(middle, afterName);
  const afterId = writeOption(bytes, afterName + middle.length, OptionCode.clientIdentifier, client.clientId);
  const last = writeOption(bytes, afterId, OptionCode.relayAgentInformation, relay.information);
  bytes[last] = OptionCode.end;
  return bytes.fill(0, last + 1);
}

/** The fields and options of this message alone. RFC 2131 table 3. */
function writeExchange(bytes: Buffer, { packet, serverId }: Situation, { type, address, leaseSeconds = 0 }: Statement): void {
  bytes[1] = packet.hardwareType;
  bytes[2] = packet.hardwareLength;
  writeUint32(bytes, 4, packet.transactionId);
  bytes[10] = packet.flags >>> 8;
  bytes[11] = packet.flags;
  writeUint32(bytes, 12, copiedClientAddress(packet, type));
  writeUint32(bytes, 16, address);
  writeUint32(bytes, 24, packet.relayIpAddress);
  bytes.set(packet.clientHardwareAddress, 28);
  bytes[TYPE_AT] = type ?? 0;
  writeUint32(bytes, SERVER_AT, serverId);
  writeUint32(bytes, LEASE_AT, leaseSeconds);
  writeUint32(bytes, RENEWAL_AT, renewalSeconds(leaseSeconds));
  writeUint32(bytes, REBINDING_AT, rebindingSeconds(leaseSeconds));
}

/** Offsets of what is filled in behind the beginning. Without a broadcast address there is no head: it is the last before the name. */
function findPlaces(bytes: Buffer): { uuidAt: number; headEnd: number; middleStart: number; middleEnd: number } {
  let [uuidAt, headEnd, middleStart] = [0, 0, 0];
  let at = OPTIONS_OFFSET;
  while (at < bytes.length) {
    const code = bytes[at] ?? OptionCode.end;
    if (code === OptionCode.end || code === OptionCode.clientIdentifier || code === OptionCode.relayAgentInformation) break;
    const after = at + 2 + (bytes[at + 1] ?? 0);
    if (code === OptionCode.clientUuid) uuidAt = at + 2;
    if (code === OptionCode.broadcastAddress) headEnd = after;
    if (code === OptionCode.broadcastAddress || code === OptionCode.hostName || code === OptionCode.domainName) middleStart = after;
    at = after;
  }
  return { uuidAt, headEnd, middleStart, middleEnd: at };
}

function placesOf(text: string, bytes: Buffer): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) places.push(at);
  return places;
}

function optionBytes(value: Buffer | undefined): number {
  return value === undefined ? 0 : value.length > PART_BYTES ? Infinity : value.length + 2;
}

function textOptionBytes(text: string): number {
  return text === '' ? 0 : text.length > PART_BYTES ? Infinity : text.length + 2;
}

/** Gives the offset behind the option. */
function writeOption(bytes: Buffer, at: number, code: number, value: Buffer | undefined): number {
  if (value === undefined) return at;
  bytes[at] = code;
  bytes[at + 1] = value.length;
  bytes.set(value, at + 2);
  return at + 2 + value.length;
}

/** As writeOption; NaN when the text has a letter that takes more than a byte. */
function writeTextOption(bytes: Buffer, at: number, code: number, text: string): number {
  if (text === '') return at;
  bytes[at] = code;
  bytes[at + 1] = text.length;
  return writeText(bytes, at + 2, text) ? at + 2 + text.length : Number.NaN;
}

function writeText(bytes: Buffer, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const letter = text.charCodeAt(index);
    if (letter > 0x7f) return false;
    bytes[at + index] = letter;
  }
  return true;
}

function writeUint32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
