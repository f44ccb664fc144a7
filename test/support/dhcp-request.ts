import { readFileSync } from 'node:fs';
import { macBytes } from '../../src/shared/mac.js';
import { parseIpv4 } from '../../src/shared/ipv4.js';
import { encodePacket } from '../../src/dhcp/encode.js';
import type { DhcpPacket } from '../../src/dhcp/packet.js';

/** What a test says of a request; the rest is zero. */
export type RequestWords = {
  type?: number;
  mac?: string;
  xid?: number;
  op?: number;
  flags?: number;
  ciaddr?: string;
  giaddr?: string;
  /** Option code to text, hex bytes in a Buffer, or an address as `@10.0.0.1`. */
  options?: Record<number, string | Buffer>;
};

/** Builds a request packet from words. */
export function request(words: RequestWords): DhcpPacket {
  const options = new Map<number, Buffer>();
  if (words.type !== undefined) options.set(53, Buffer.from([words.type]));
  for (const [code, value] of Object.entries(words.options ?? {})) options.set(Number(code), optionBytes(value));
  const chaddr = Buffer.alloc(16);
  (macBytes(words.mac ?? '52:54:00:77:00:01') ?? Buffer.alloc(6)).copy(chaddr);
  return {
    op: words.op ?? 1,
    hardwareType: 1,
    hardwareLength: 6,
    hops: 0,
    transactionId: words.xid ?? 0x1234,
    secs: 0,
    flags: words.flags ?? 0,
    clientIpAddress: address(words.ciaddr),
    yourIpAddress: 0,
    nextServerIpAddress: 0,
    relayIpAddress: address(words.giaddr),
    clientHardwareAddress: chaddr,
    serverName: Buffer.alloc(0),
    bootFile: Buffer.alloc(0),
    options,
  };
}

/** The bytes of a packet; throws when it cannot be written, which is the test's mistake. */
export function bytesOf(packet: DhcpPacket, limitBytes = 65_507): Buffer {
  const encoded = encodePacket(packet, limitBytes);
  if (!encoded.ok) throw new Error(encoded.error);
  return encoded.value.bytes;
}

/** A dotted quad as a number; throws when it is none. */
export function ip(text: string): number {
  const value = parseIpv4(text);
  if (value === undefined) throw new Error(`${text} is not an address`);
  return value;
}

/** Reads a hex fixture: lines that start with `#` tell device and firmware. */
export function fixture(name: string): Buffer {
  const text = readFileSync(new URL(`../fixtures/packets/${name}.hex`, import.meta.url), 'utf8');
  return Buffer.from(text.replaceAll(/^#.*$/gm, '').replaceAll(/\s/g, ''), 'hex');
}

function address(text: string | undefined): number {
  return text === undefined ? 0 : ip(text);
}

function optionBytes(value: string | Buffer): Buffer {
  if (typeof value !== 'string') return value;
  if (!value.startsWith('@')) return Buffer.from(value);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(ip(value.slice(1)));
  return bytes;
}
