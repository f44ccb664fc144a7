/**
 * Option values as types. Reading tells absent (undefined) from malformed; writing is total for typed input and a Result
 * for what an operator wrote in a node's `options`.
 */
import { printableText, uint16At, uint16Bytes, uint32At, uint32Bytes } from '../shared/bytes.js';
import { parseIpv4 } from '../shared/ipv4.js';
import { err, ok, type Result } from '../shared/result.js';
import { OptionCode } from './codes.js';
import type { Options } from './packet.js';

/** The option is there but its length is not what its RFC says. */
export const malformed = Symbol('malformed option');

/** A value, undefined when the option is absent, or `malformed`. */
export type ReadOption<T> = T | undefined | typeof malformed;

/** An 8-bit number, length 1. */
export function readUint8(options: Options, code: number): ReadOption<number> {
  const value = options.get(code);
  if (value === undefined) return undefined;
  return value.length === 1 ? (value[0] ?? malformed) : malformed;
}

/** The first 16-bit number of a list (options 57 and 93), length a multiple of 2. */
export function readUint16(options: Options, code: number): ReadOption<number> {
  const value = options.get(code);
  if (value === undefined) return undefined;
  return value.length % 2 === 0 ? (uint16At(value, 0) ?? malformed) : malformed;
}

/** One address, length 4. RFC 2132 sections 9.1 and 9.7. */
export function readAddress(options: Options, code: number): ReadOption<number> {
  const value = options.get(code);
  if (value === undefined) return undefined;
  return value.length === 4 ? (uint32At(value, 0) ?? malformed) : malformed;
}

/** Text, made printable; the empty text is a value. See printableText. */
export function readText(options: Options, code: number): string | undefined {
  const value = options.get(code);
  return value === undefined ? undefined : printableText(value);
}

/** Sub-options of an encapsulating option (43, 82, 175), first value of each code; malformed when one runs past the end. */
export function readSubOptions(value: Buffer): Map<number, Buffer> | typeof malformed {
  const subOptions = new Map<number, Buffer>();
  let offset = 0;
  while (offset < value.length) {
    const code = value[offset];
    const length = value[offset + 1];
    if (code === undefined || length === undefined || offset + 2 + length > value.length) return malformed;
    if (!subOptions.has(code)) subOptions.set(code, value.subarray(offset + 2, offset + 2 + length));
    offset += 2 + length;
  }
  return subOptions;
}

/** Several addresses as bytes, four each. */
export function addressesBytes(addresses: readonly number[]): Buffer {
  return Buffer.concat(addresses.map(uint32Bytes));
}

/** How an option's value is written down; `raw` takes hex. */
export type OptionShape = 'address' | 'addresses' | 'uint8' | 'uint16' | 'uint32' | 'flag' | 'text' | 'raw';

/** Options an operator may set on a node, by name. RFC 2132 unless said otherwise. */
export const namedOptions: Readonly<Record<string, { code: number; shape: OptionShape }>> = {
  'time-offset': { code: 2, shape: 'uint32' },
  routers: { code: OptionCode.router, shape: 'addresses' },
  'domain-name-servers': { code: OptionCode.domainNameServer, shape: 'addresses' },
  'log-servers': { code: 7, shape: 'addresses' },
  'host-name': { code: OptionCode.hostName, shape: 'text' },
  'domain-name': { code: OptionCode.domainName, shape: 'text' },
  'root-path': { code: 17, shape: 'text' },
  'interface-mtu': { code: 26, shape: 'uint16' },
  'ntp-servers': { code: OptionCode.ntpServers, shape: 'addresses' },
  'vendor-encapsulated-options': { code: OptionCode.vendorSpecific, shape: 'raw' },
  'tftp-server-name': { code: OptionCode.tftpServerName, shape: 'text' },
  'bootfile-name': { code: OptionCode.bootFileName, shape: 'text' },
};

/** Codes that carry the exchange itself; an operator cannot set them. */
const RESERVED_CODES: ReadonlySet<number> = new Set([0, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82, 255]);

/**
 * Turns one entry of a node's `options` into bytes. The key is a name of namedOptions or a code; a code without a name takes
 * hex (`"0a0b"` or `"0a:0b"`). The error is a sentence that names the key and what is allowed.
 */
export function encodeNamedOption(key: string, value: unknown): Result<{ code: number; bytes: Buffer }, string> {
  const named = namedOptions[key] ?? Object.values(namedOptions).find((option) => String(option.code) === key);
  const code = named?.code ?? (/^\d{1,3}$/.test(key) ? Number(key) : undefined);
  if (code === undefined || code > 254) return err(`option ${key}: not a known name and not a code from 1 to 254`);
  if (RESERVED_CODES.has(code)) return err(`option ${key}: the server sets this one itself`);
  const shape = named?.shape ?? 'raw';
  const bytes = shapeBytes(shape, value);
  return bytes === undefined ? err(`option ${key}: the value is not of shape ${shape}`) : ok({ code, bytes });
}

function shapeBytes(shape: OptionShape, value: unknown): Buffer | undefined {
  switch (shape) {
    case 'address':
      return addressListBytes([value]);
    case 'addresses':
      return addressListBytes(Array.isArray(value) ? value : [value]);
    case 'uint8':
      return isUint(value, 0xff) ? Buffer.from([value]) : undefined;
    case 'uint16':
      return isUint(value, 0xffff) ? uint16Bytes(value) : undefined;
    case 'uint32':
      return isUint(value, 0xffffffff) ? uint32Bytes(value) : undefined;
    case 'flag':
      return typeof value === 'boolean' ? Buffer.from([value ? 1 : 0]) : undefined;
    case 'text':
      return typeof value === 'string' && value.length > 0 && !value.includes('\0') ? Buffer.from(value) : undefined;
    case 'raw':
      return typeof value === 'string' ? hexBytes(value) : undefined;
  }
}

function addressListBytes(values: readonly unknown[]): Buffer | undefined {
  const addresses: number[] = [];
  for (const value of values) {
    const address = typeof value === 'string' ? parseIpv4(value) : undefined;
    if (address === undefined) return undefined;
    addresses.push(address);
  }
  return addresses.length === 0 ? undefined : addressesBytes(addresses);
}

function hexBytes(text: string): Buffer | undefined {
  const digits = text.replaceAll(/[:\s]/g, '');
  return /^(?:[0-9a-f]{2})*$/i.test(digits) ? Buffer.from(digits, 'hex') : undefined;
}

function isUint(value: unknown, maximum: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maximum;
}
