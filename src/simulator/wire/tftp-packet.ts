/**
 * TFTP as a read-only client speaks it: RFC 1350, options RFC 2347, blksize RFC 2348, tsize RFC 2349, windowsize RFC 7440.
 * The client's own codec, apart from the server's on purpose (see dhcp-packet.ts).
 */
import { uint16At, uint16Bytes } from '../../shared/bytes.js';

const Opcode = { readRequest: 1, data: 3, acknowledgement: 4, error: 5, optionAcknowledgement: 6 } as const;

/** What a server may send to a reader. */
export type TftpReply =
  | { kind: 'data'; block: number; payload: Buffer }
  | { kind: 'options'; options: ReadonlyMap<string, string> }
  | { kind: 'error'; code: number; text: string };

/** RRQ in octet mode. Options in the given order, as OVMF sends `tsize`, `blksize`, `windowsize`. */
export function encodeReadRequest(file: string, options: ReadonlyMap<string, number>): Buffer {
  const words = [file, 'octet'];
  for (const [name, value] of options) words.push(name, String(value));
  return Buffer.concat([uint16Bytes(Opcode.readRequest), Buffer.from(`${words.join('\0')}\0`, 'latin1')]);
}

/** ACK of a block; block 0 accepts an OACK. */
export function encodeAcknowledgement(block: number): Buffer {
  return Buffer.concat([uint16Bytes(Opcode.acknowledgement), uint16Bytes(block)]);
}

/** ERROR, which ends a transfer. Code 5 is "unknown transfer ID". */
export function encodeError(code: number, text: string): Buffer {
  return Buffer.concat([uint16Bytes(Opcode.error), uint16Bytes(code), Buffer.from(`${text}\0`, 'latin1')]);
}

/** Reads a server's packet; undefined for anything a reader does not expect. */
export function decodeTftpReply(bytes: Buffer): TftpReply | undefined {
  const opcode = uint16At(bytes, 0);
  const number = uint16At(bytes, 2);
  if (opcode === Opcode.optionAcknowledgement) return readOptions(bytes.subarray(2));
  if (number === undefined) return undefined;
  if (opcode === Opcode.data) return { kind: 'data', block: number, payload: bytes.subarray(4) };
  if (opcode === Opcode.error) return { kind: 'error', code: number, text: bytes.toString('latin1', 4).replace(/\0.*$/s, '') };
  return undefined;
}

function readOptions(field: Buffer): TftpReply | undefined {
  const words = field.toString('latin1').split('\0');
  // Every word ends with NUL, so the last piece is empty and the rest are pairs.
  if (words.pop() !== '' || words.length % 2 !== 0) return undefined;
  const options = new Map<string, string>();
  for (let index = 0; index < words.length; index += 2) options.set((words[index] ?? '').toLowerCase(), words[index + 1] ?? '');
  return { kind: 'options', options };
}
