/**
 * TFTP on the wire, PURE: requests, options and what we answer to them (RFC 1350, 2347, 2348, 2349, 7440). Integers are
 * big-endian. Nothing here throws on bytes from the network.
 */
import { err, ok, type Result } from '../shared/result.js';

/** RFC 1350 section 5; OACK is RFC 2347. */
export const Opcode = { RRQ: 1, WRQ: 2, DATA: 3, ACK: 4, ERROR: 5, OACK: 6 } as const;

/** RFC 1350 appendix; 8 is RFC 2347. */
export const ErrorCode = { undefined: 0, notFound: 1, accessViolation: 2, illegalOperation: 4, unknownTransfer: 5, optionRefused: 8 } as const;

export type ReadRequest = { fileName: string; mode: string; options: ReadonlyMap<string, string> };
export type Negotiated = {
  /** Bytes of data in a block. RFC 2348. */
  blockBytes: number;
  /** Blocks sent before an ACK is awaited. RFC 7440. */
  windowBlocks: number;
  /** Wait for an ACK before sending again, milliseconds. RFC 2349. */
  timeoutMs: number;
  /** What goes into the OACK, in the order asked; empty: none is sent. */
  acknowledged: [string, string][];
};

const MAX_REQUEST_BYTES = 512;
const MAX_OPTIONS = 16;
const DEFAULT_BLOCK_BYTES = 512;
const DEFAULT_TIMEOUT_MS = 1000;
/** Firmware asks for 4, iPXE for none; more than this only fills the receiver's buffer. */
const MAX_WINDOW_BLOCKS = 64;
/** Headers of IPv4, UDP and TFTP: 20 + 8 + 4. */
const HEADER_BYTES = 32;

/** Parses a read request. The error is the ERROR packet's code and text. */
export function parseReadRequest(bytes: Buffer): Result<ReadRequest, { code: number; text: string }> {
  const opcode = bytes.length >= 2 ? bytes.readUInt16BE(0) : 0;
  if (opcode === Opcode.WRQ) return err({ code: ErrorCode.accessViolation, text: 'this server only reads' });
  if (opcode !== Opcode.RRQ) return err({ code: ErrorCode.illegalOperation, text: 'not a read request' });
  if (bytes.length > MAX_REQUEST_BYTES) return err({ code: ErrorCode.illegalOperation, text: 'request longer than 512 bytes' });
  const fields = bytes.subarray(2).toString('latin1').split('\0');
  // A well-formed request ends with NUL, so the last field is empty; old ROMs leave rubbish behind it.
  fields.pop();
  const [fileName, mode, ...rest] = fields;
  if (!fileName || mode === undefined) return err({ code: ErrorCode.illegalOperation, text: 'file name or mode missing' });
  const options = new Map<string, string>();
  for (let i = 0; i + 1 < rest.length && options.size < MAX_OPTIONS; i += 2) {
    const name = (rest[i] ?? '').toLowerCase();
    if (!options.has(name)) options.set(name, rest[i + 1] ?? '');
  }
  return ok({ fileName: cleanName(fileName), mode: mode.toLowerCase(), options });
}

/** Old ROMs put 0xff or a space behind the name, and either slash before and within it (netboot-rules 3). */
function cleanName(name: string): string {
  return name.replace(/[\xff ]+$/, '').replaceAll('\\', '/').replace(/^\/+/, '');
}

/** What we take of the options asked for. An option with a value outside its RFC's range is left out, as if unknown. */
export function negotiate(options: ReadonlyMap<string, string>, file: { bytes: number }, path: { mtuBytes: number }): Negotiated {
  const result: Negotiated = { blockBytes: DEFAULT_BLOCK_BYTES, windowBlocks: 1, timeoutMs: DEFAULT_TIMEOUT_MS, acknowledged: [] };
  for (const [name, text] of options) {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (name === 'blksize' && value >= 8 && value <= 65_464) {
      result.blockBytes = Math.max(8, Math.min(value, path.mtuBytes - HEADER_BYTES));
      result.acknowledged.push([name, String(result.blockBytes)]);
    } else if (name === 'windowsize' && value >= 1 && value <= 65_535) {
      result.windowBlocks = Math.min(value, MAX_WINDOW_BLOCKS);
      result.acknowledged.push([name, String(result.windowBlocks)]);
    } else if (name === 'timeout' && value >= 1 && value <= 255) {
      result.timeoutMs = value * 1000;
      result.acknowledged.push([name, text]);
    } else if (name === 'tsize') {
      result.acknowledged.push([name, String(file.bytes)]);
    }
  }
  return result;
}

/** DATA, RFC 1350 section 5. `block` is taken modulo 65,536: large files roll over. */
export function encodeData(block: number, data: Buffer): Buffer {
  const packet = Buffer.allocUnsafe(4 + data.length);
  packet.writeUInt16BE(Opcode.DATA, 0);
  packet.writeUInt16BE(block & 0xffff, 2);
  data.copy(packet, 4);
  return packet;
}

/** OACK, RFC 2347. */
export function encodeOptionAck(options: [string, string][]): Buffer {
  const text = options.map(([name, value]) => `${name}\0${value}\0`).join('');
  return Buffer.concat([Buffer.from([0, Opcode.OACK]), Buffer.from(text, 'latin1')]);
}

/** ERROR, RFC 1350 section 5. */
export function encodeError(code: number, text: string): Buffer {
  return Buffer.concat([Buffer.from([0, Opcode.ERROR, 0, code]), Buffer.from(`${text}\0`, 'latin1')]);
}

/** Block number of an ACK; null for anything else. */
export function parseAck(bytes: Buffer): number | null {
  return bytes.length >= 4 && bytes.readUInt16BE(0) === Opcode.ACK ? bytes.readUInt16BE(2) : null;
}
