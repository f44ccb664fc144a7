/**
 * Option values of a packet as types: reading tells absent (undefined) from malformed. What an operator writes is in
 * option-values.ts and named-options.ts.
 */
import { printableText, uint16At, uint32At, uint32Bytes } from '../shared/bytes.js';
import { OptionCode } from './codes.js';
import type { OptionView } from './received-options.js';

/** The option is there but its length is not what its RFC says. */
export const malformed = Symbol('malformed option');

/** A value, undefined when the option is absent, or `malformed`. */
export type ReadOption<T> = T | undefined | typeof malformed;

/** An 8-bit number, length 1. */
export function readUint8(options: OptionView, code: number): ReadOption<number> {
  const value = options.get(code);
  if (value === undefined) return undefined;
  return value.length === 1 ? (value[0] ?? malformed) : malformed;
}

/** The first 16-bit number of a list (options 57 and 93), length a multiple of 2. */
export function readUint16(options: OptionView, code: number): ReadOption<number> {
  const value = options.get(code);
  if (value === undefined) return undefined;
  return value.length % 2 === 0 ? (uint16At(value, 0) ?? malformed) : malformed;
}

/** One address, length 4. RFC 2132 sections 9.1 and 9.7. */
export function readAddress(options: OptionView, code: number): ReadOption<number> {
  const value = options.get(code);
  if (value === undefined) return undefined;
  return value.length === 4 ? (uint32At(value, 0) ?? malformed) : malformed;
}

/** Text, made printable; the empty text is a value. See printableText. */
export function readText(options: OptionView, code: number): string | undefined {
  const value = options.get(code);
  return value === undefined ? undefined : printableText(value);
}

/**
 * Sub-options of an encapsulating option (82, 175), first value of each code; malformed when one runs past the end. Option 43
 * alone has pads and an end inside (RFC 2132 section 8.4): `hasEnd`.
 */
export function readSubOptions(value: Buffer, hasEnd = false): Map<number, Buffer> | typeof malformed {
  const subOptions = new Map<number, Buffer>();
  let offset = 0;
  while (offset < value.length) {
    const code = value[offset];
    if (hasEnd && code === OptionCode.end) break;
    if (hasEnd && code === OptionCode.pad) {
      offset += 1;
      continue;
    }
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
