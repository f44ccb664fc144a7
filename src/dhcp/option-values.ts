/**
 * Values that an operator writes for a DHCP option, as bytes. Total: a value of the wrong kind gives a sentence that says what
 * is wanted, with an example.
 */
import { uint16Bytes, uint32Bytes } from '../shared/bytes.js';
import { parseIpv4, parseSubnet } from '../shared/ipv4.js';
import { err, ok, type Result } from '../shared/result.js';

/** How a value is written down. `routes`: RFC 3442; `domain-list`: RFC 3397 (never compressed, which it allows). */
export type OptionShape = 'ip' | 'ip-list' | 'uint8' | 'uint16' | 'uint32' | 'int32' | 'bool' | 'string' | 'hex' | 'domain-list' | 'routes';

/** What a value of each shape looks like, for error messages and docs/dhcp.md. */
export const SHAPE_EXAMPLES: Readonly<Record<OptionShape, string>> = {
  ip: 'an IPv4 address: "10.0.0.1"',
  'ip-list': 'one or more IPv4 addresses: ["10.0.0.1", "10.0.0.2"]',
  uint8: 'a whole number from 0 to 255',
  uint16: 'a whole number from 0 to 65535',
  uint32: 'a whole number from 0 to 4294967295',
  int32: 'a whole number from -2147483648 to 2147483647',
  bool: 'true or false',
  string: 'a text that is not empty and has no NUL: "text"',
  hex: 'an even number of hex digits: "0a0b" or "0a:0b"',
  'domain-list': 'one or more domain names: ["rack.example", "example"]',
  routes: 'one or more routes: ["10.8.0.0/16 via 10.0.0.1"]',
};

/** Whether a text names a shape. */
export function isOptionShape(text: unknown): text is OptionShape {
  return typeof text === 'string' && Object.hasOwn(SHAPE_EXAMPLES, text);
}

/** The bytes of a value, or what would be right instead. */
export function encodeValue(shape: OptionShape, value: unknown): Result<Buffer, string> {
  const bytes = valueBytes(shape, value);
  return bytes === undefined ? err(`${shortJson(value)} is not ${SHAPE_EXAMPLES[shape]}`) : ok(bytes);
}

function valueBytes(shape: OptionShape, value: unknown): Buffer | undefined {
  switch (shape) {
    case 'ip':
      return typeof value === 'string' ? addressBytes(value) : undefined;
    case 'ip-list':
      return listBytes(value, addressBytes);
    case 'uint8':
      return isWhole(value, 0, 0xff) ? Buffer.from([value]) : undefined;
    case 'uint16':
      return isWhole(value, 0, 0xffff) ? uint16Bytes(value) : undefined;
    case 'uint32':
      return isWhole(value, 0, 0xffffffff) ? uint32Bytes(value) : undefined;
    case 'int32':
      return isWhole(value, -0x80000000, 0x7fffffff) ? uint32Bytes(value) : undefined;
    case 'bool':
      return typeof value === 'boolean' ? Buffer.from([value ? 1 : 0]) : undefined;
    case 'string':
      return typeof value === 'string' && value.length > 0 && !value.includes('\0') ? Buffer.from(value) : undefined;
    case 'hex':
      return typeof value === 'string' ? hexBytes(value) : undefined;
    case 'domain-list':
      return listBytes(value, domainBytes);
    case 'routes':
      return listBytes(value, routeBytes);
  }
}

/** One text or a list of them, each written by `write`; undefined when one is wrong or there is none. */
function listBytes(value: unknown, write: (text: string) => Buffer | undefined): Buffer | undefined {
  const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
  const parts: Buffer[] = [];
  for (const text of texts) {
    const part = typeof text === 'string' ? write(text) : undefined;
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

function addressBytes(text: string): Buffer | undefined {
  const address = parseIpv4(text);
  return address === undefined ? undefined : uint32Bytes(address);
}

/** Even digits; colons, dashes and spaces between bytes are for the reader. */
function hexBytes(text: string): Buffer | undefined {
  const digits = text.replaceAll(/[:\s-]/g, '');
  return /^(?:[0-9a-f]{2})+$/i.test(digits) ? Buffer.from(digits, 'hex') : undefined;
}

/** Labels with their lengths, closed by an empty one. RFC 1035 section 3.1. */
function domainBytes(text: string): Buffer | undefined {
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  const labels = name.split('.');
  if (name.length === 0 || name.length > 253 || !labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))) return undefined;
  return Buffer.concat([...labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1')), Buffer.from([0])]);
}

/** Prefix length, the octets of the destination that it covers, router. RFC 3442. */
function routeBytes(text: string): Buffer | undefined {
  const [, to = '', via = ''] = /^\s*(\S+)\s+via\s+(\S+)\s*$/.exec(text) ?? [];
  const subnet = parseSubnet(to === 'default' ? '0.0.0.0/0' : to);
  const router = parseIpv4(via);
  if (subnet === undefined || router === undefined) return undefined;
  const octets = uint32Bytes(subnet.first).subarray(0, Math.ceil(subnet.prefix / 8));
  return Buffer.concat([Buffer.from([subnet.prefix]), octets, uint32Bytes(router)]);
}

function isWhole(value: unknown, minimum: number, maximum: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum;
}

function shortJson(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
