/** PURE: a DHCP message in words: its fields and options as an operator reads them. Text of the client's is printable ASCII. */
import { printableText } from '../shared/bytes.js';
import { formatIpv4 } from '../shared/ipv4.js';
import { formatMac } from '../shared/mac.js';
import { architectureName } from '../dhcp/client.js';
import { MessageType, OptionCode } from '../dhcp/codes.js';
import { messageName } from '../dhcp/decision.js';
import { namedOptions } from '../dhcp/named-options.js';
import type { DhcpPacket } from '../dhcp/packet.js';

/** One option: `value` is what it means, `hex` its bytes. */
export type OptionWords = { code: number; name: string; value: string; hex: string };

export type PacketWords = {
  type: string;
  xid: string;
  secs: number;
  mac: string;
  ciaddr: string;
  yiaddr: string;
  siaddr: string;
  giaddr: string;
  sname: string;
  file: string;
  options: OptionWords[];
};

const NAMES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(OptionCode).map(([name, code]) => [code, name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)] as const),
  ...Object.entries(namedOptions).map(([name, { code }]) => [code, name] as const),
]);

const ADDRESSES: ReadonlySet<number> = new Set([1, 3, 4, 6, 7, 28, 42, 44, 50, 54, 69, 118]);
const SECONDS: ReadonlySet<number> = new Set([51, 58, 59]);
const TEXT: ReadonlySet<number> = new Set([12, 15, 17, 40, 56, 60, 66, 67, 77, 100, 101, 209, 210]);
const HEX_SHOWN = 64;

/** The message in words. */
export function packetWords(packet: DhcpPacket): PacketWords {
  return {
    type: messageName(packet.options.get(OptionCode.messageType)?.[0]),
    xid: packet.transactionId.toString(16).padStart(8, '0'),
    secs: packet.secs,
    mac: formatMac(packet.clientHardwareAddress, packet.hardwareLength),
    ciaddr: formatIpv4(packet.clientIpAddress),
    yiaddr: formatIpv4(packet.yourIpAddress),
    siaddr: formatIpv4(packet.nextServerIpAddress),
    giaddr: formatIpv4(packet.relayIpAddress),
    sname: printableText(packet.serverName),
    file: printableText(packet.bootFile),
    options: [...packet.options].map(([code, value]) => ({
      code,
      name: NAMES.get(code) ?? `option ${code}`,
      value: valueWords(code, value),
      hex: value.subarray(0, HEX_SHOWN).toString('hex'),
    })),
  };
}

function valueWords(code: number, value: Buffer): string {
  if (code === OptionCode.messageType) return messageName(value[0]);
  if (code === OptionCode.clientArchitecture && value.length >= 2) return `${value.readUInt16BE(0)} (${architectureName(value.readUInt16BE(0))})`;
  if (code === OptionCode.maximumMessageSize && value.length === 2) return `${value.readUInt16BE(0)} bytes`;
  if (code === OptionCode.parameterRequestList) return [...value].join(', ');
  if (SECONDS.has(code) && value.length === 4) return `${value.readUInt32BE(0)} s`;
  if (ADDRESSES.has(code) && value.length > 0 && value.length % 4 === 0) {
    return Array.from({ length: value.length / 4 }, (_, index) => formatIpv4(value.readUInt32BE(4 * index))).join(', ');
  }
  return TEXT.has(code) ? printableText(value) : value.subarray(0, HEX_SHOWN).toString('hex');
}

/** Whether a message is a server's. */
export const isReply = (packet: DhcpPacket): boolean => packet.op === 2;

/** Whether it is an OFFER: what a client chooses from. */
export const isOffer = (packet: DhcpPacket): boolean => packet.options.get(OptionCode.messageType)?.[0] === MessageType.offer;
