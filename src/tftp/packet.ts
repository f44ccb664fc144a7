/**
 * PURE: TFTP packets, RFC 1350 section 5, with the option extension of RFC 2347. Whatever comes in is data: a packet that is
 * none is undefined, never an exception.
 */
import { printableText, uint16At, uint16Bytes } from '../shared/bytes.js';

export const OPCODE = { readRequest: 1, writeRequest: 2, data: 3, acknowledgement: 4, error: 5, optionAcknowledgement: 6 } as const;

/** RFC 1350 appendix, RFC 2347 section 3. */
export const TFTP_ERROR = { notDefined: 0, fileNotFound: 1, accessViolation: 2, illegalOperation: 4, optionRefused: 8 } as const;

export type Request = {
  kind: 'read' | 'write';
  /** Raw bytes as latin1: names are cleaned by `source.ts`. */
  file: string;
  /** Lower case: octet, netascii, mail. */
  mode: string;
  /** Names in lower case; of a repeated one the first counts. */
  options: ReadonlyMap<string, string>;
};

export type ClientPacket = Request | { kind: 'acknowledgement'; block: number } | { kind: 'error'; code: number; message: string };

/** A request packet is at most 512 bytes (RFC 2347 section 2). */
const MAX_REQUEST_BYTES = 512;
const MAX_OPTIONS = 16;

/** Reads what a client may send. DATA and OACK are no client packets of a read-only server. */
export function parseTftp(bytes: Buffer): ClientPacket | undefined {
  const opcode = uint16At(bytes, 0);
  switch (opcode) {
    case OPCODE.readRequest:
    case OPCODE.writeRequest:
      return parseRequest(opcode === OPCODE.readRequest ? 'read' : 'write', bytes);
    case OPCODE.acknowledgement: {
      const block = acknowledgedBlock(bytes);
      return block === undefined ? undefined : { kind: 'acknowledgement', block };
    }
    case OPCODE.error: {
      const code = uint16At(bytes, 2);
      return code === undefined ? undefined : { kind: 'error', code, message: printableText(bytes.subarray(4), 128) };
    }
    case undefined:
    default:
      return undefined;
  }
}

/** The block of an ACK; undefined when it is none. Nothing is allocated: it is read for every block of every transfer. */
export function acknowledgedBlock(bytes: Buffer): number | undefined {
  return uint16At(bytes, 0) === OPCODE.acknowledgement ? uint16At(bytes, 2) : undefined;
}

function parseRequest(kind: Request['kind'], bytes: Buffer): Request | undefined {
  if (bytes.length > MAX_REQUEST_BYTES) return undefined;
  const texts = nulTerminated(bytes.subarray(2));
  const [file, mode, ...rest] = texts;
  if (file === undefined || mode === undefined || file === '') return undefined;
  const options = new Map<string, string>();
  for (let index = 0; index + 1 < rest.length && options.size < MAX_OPTIONS; index += 2) {
    const name = (rest[index] ?? '').toLowerCase();
    if (name !== '' && !options.has(name)) options.set(name, rest[index + 1] ?? '');
  }
  return { kind, file, mode: mode.toLowerCase(), options };
}

/** The strings that end in NUL; a rest without one is dropped. */
function nulTerminated(bytes: Buffer): string[] {
  const texts: string[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0, start); end !== -1; end = bytes.indexOf(0, start)) {
    texts.push(bytes.toString('latin1', start, end));
    start = end + 1;
  }
  return texts;
}

/** Opcode and block number: the 4 bytes before a block's data. RFC 1350 section 5. */
export const DATA_HEADER_BYTES = 4;

export function writeDataHeader(target: Buffer, offset: number, block: number): void {
  target.writeUInt16BE(OPCODE.data, offset);
  target.writeUInt16BE(block & 0xffff, offset + 2);
}

export function encodeError(code: number, message: string): Buffer {
  return Buffer.concat([uint16Bytes(OPCODE.error), uint16Bytes(code), Buffer.from(`${message}\0`, 'latin1')]);
}

export function encodeOptions(options: ReadonlyMap<string, number>): Buffer {
  const texts = [...options].map(([name, value]) => `${name}\0${value}\0`).join('');
  return Buffer.concat([uint16Bytes(OPCODE.optionAcknowledgement), Buffer.from(texts, 'latin1')]);
}
