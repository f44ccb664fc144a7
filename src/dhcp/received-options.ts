/**
 * The options of a datagram where they lie in it: found once, copied never, made into buffers only when somebody asks. A server
 * reads five of the dozen that firmware sends.
 */
import { OptionCode } from './codes.js';

/** Options to read from, code to value, in the order of first appearance: a map, or the options of a datagram where they lie. */
export type OptionView = Iterable<[number, Buffer]> & {
  readonly size: number;
  get(code: number): Buffer | undefined;
  has(code: number): boolean;
  keys(): Iterable<number>;
  values(): Iterable<Buffer>;
};

/** More options than any client sends; past this, and where one is repeated or overloaded, the general reader takes over. */
const USUAL_OPTIONS = 64;
/** An offset has 16 bits of an index number: see #index. */
const OFFSET_LIMIT = 0x10000;

/** In which reading an option was last seen, by code: finds repeats without a set for each datagram. */
const seenIn = new Uint32Array(256);
let reading = 0;

export class ReceivedOptions implements OptionView {
  readonly #bytes: Buffer;
  /** An int32 for each option: its code, the offset of its value and its length, 8, 16 and 8 bits. */
  readonly #index: readonly number[];

  private constructor(bytes: Buffer, index: readonly number[]) {
    this.#bytes = bytes;
    this.#index = index;
  }

  /** Undefined for what is truncated, repeated (RFC 3396), overloaded or absurdly much: the general reader judges that. */
  static read(bytes: Buffer, start: number): ReceivedOptions | undefined {
    const limit = bytes.length;
    if (limit > OFFSET_LIMIT) return undefined;
    reading = (reading + 1) >>> 0;
    const index: number[] = [];
    let offset = start;
    while (offset < limit) {
      const code = bytes[offset] ?? OptionCode.end;
      if (code === OptionCode.end) break;
      offset += 1;
      if (code === OptionCode.pad) continue;
      const length = offset < limit ? (bytes[offset] ?? 0) : limit;
      offset += 1;
      if (offset + length > limit || code === OptionCode.overload || seenIn[code] === reading || index.length === USUAL_OPTIONS) return undefined;
      seenIn[code] = reading;
      index.push((code << 24) | (offset << 8) | length);
      offset += length;
    }
    return new ReceivedOptions(bytes, index);
  }

  get size(): number {
    return this.#index.length;
  }

  get(code: number): Buffer | undefined {
    const place = this.#placeOf(code);
    return place === undefined ? undefined : this.#valueAt(place);
  }

  has(code: number): boolean {
    return this.#placeOf(code) !== undefined;
  }

  keys(): Iterable<number> {
    return this.#index.map((place) => place >>> 24);
  }

  values(): Iterable<Buffer> {
    return this.#index.map((place) => this.#valueAt(place));
  }

  *[Symbol.iterator](): IterableIterator<[number, Buffer]> {
    for (const place of this.#index) yield [place >>> 24, this.#valueAt(place)];
  }

  /**
   * All options but those whose code has a 1 in `left`, with codes and lengths, a character each byte: equal texts are equal options
   * in the same order.
   */
  textWithout(left: Uint8Array): string {
    let text = '';
    let [from, to] = [0, 0];
    for (const place of this.#index) {
      if (left[place >>> 24] === 1) continue;
      const start = ((place >>> 8) & 0xffff) - 2;
      // Neighbours are one run, and most often there is one only.
      if (start !== to) {
        if (to > from) text += this.#bytes.toString('latin1', from, to);
        from = start;
      }
      to = start + 2 + (place & 0xff);
    }
    return to > from ? text + this.#bytes.toString('latin1', from, to) : text;
  }

  #placeOf(code: number): number | undefined {
    for (const place of this.#index) if (place >>> 24 === code) return place;
    return undefined;
  }

  #valueAt(place: number): Buffer {
    const start = (place >>> 8) & 0xffff;
    return this.#bytes.subarray(start, start + (place & 0xff));
  }
}
