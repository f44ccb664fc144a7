/**
 * PURE: messages of OMAPI, the protocol by which a running ISC dhcpd is changed. There is no RFC; the format is that of ISC's
 * own `omapip/protocol.c` and `omapip/message.c`. All numbers are big-endian.
 *
 * Greeting, both ways: version 100, header size 24, uint32 each. Message: authenticator id, signature length, operation,
 * handle, id, id of the message it answers (uint32 each); then two lists of pairs, of the message and of the object; then
 * the signature. A pair is a uint16 length and the name, a uint32 length and the value; a name of length 0 ends the list.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export const OMAPI_GREETING = Buffer.from([0, 0, 0, 100, 0, 0, 0, 24]);

/** Operations, from `omapip/omapip.h`. */
export const OmapiOperation = { open: 1, refresh: 2, update: 3, notify: 4, status: 5, delete: 6 } as const;

export type OmapiPairs = ReadonlyMap<string, Buffer>;

export type OmapiMessage = {
  operation: number;
  /** Of the object the message is about; 0: none. */
  handle: number;
  id: number;
  /** Id of the message that this one answers; 0: none. */
  answers: number;
  message: OmapiPairs;
  object: OmapiPairs;
};

/** The key of a session: `id` is the handle that the server gave the authenticator object; 0 before that, then nothing is signed. */
export type OmapiKey = { id: number; secret: Buffer };

const HEADER_BYTES = 24;
/** HMAC-MD5, the only algorithm every dhcpd with OMAPI knows (RFC 2104). */
const SIGNATURE_BYTES = 16;
/** Far above any answer about one host; what is longer is no answer. */
const MAX_MESSAGE_BYTES = 64 * 1024;
const MAX_PAIRS = 256;

/** The bytes of a message. Its signature covers everything but the authenticator's id. */
export function encodeOmapi(message: OmapiMessage, key: OmapiKey | null): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  [key?.id ?? 0, key === null ? 0 : SIGNATURE_BYTES, message.operation, message.handle, message.id, message.answers].forEach((word, index) =>
    header.writeUInt32BE(word, index * 4),
  );
  const unsigned = Buffer.concat([header, encodePairs(message.message), encodePairs(message.object)]);
  return key === null ? unsigned : Buffer.concat([unsigned, sign(unsigned, key.secret)]);
}

function encodePairs(pairs: OmapiPairs): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of pairs) {
    const lengths = [Buffer.alloc(2), Buffer.alloc(4)] as const;
    lengths[0].writeUInt16BE(Buffer.byteLength(name));
    lengths[1].writeUInt32BE(value.length);
    parts.push(lengths[0], Buffer.from(name), lengths[1], value);
  }
  return Buffer.concat([...parts, Buffer.alloc(2)]);
}

function sign(unsigned: Buffer, secret: Buffer): Buffer {
  return createHmac('md5', secret).update(unsigned.subarray(4)).digest();
}

/** What the first bytes of a stream are: a message and its length, too little yet, or nothing of OMAPI. */
export type Decoded = { kind: 'message'; message: OmapiMessage; bytes: number } | { kind: 'more' } | { kind: 'bad'; reason: string };

/** Reads one message. With a key its signature is checked. Never throws. */
export function decodeOmapi(bytes: Buffer, key: OmapiKey | null): Decoded {
  if (bytes.length < HEADER_BYTES) return { kind: 'more' };
  const word = (index: number) => bytes.readUInt32BE(index * 4);
  const signatureLength = word(1);
  if (signatureLength > 64) return { kind: 'bad', reason: `a signature of ${signatureLength} bytes` };
  const message = decodePairs(bytes, HEADER_BYTES);
  if (typeof message === 'string') return incomplete(message, bytes);
  const object = decodePairs(bytes, message.end);
  if (typeof object === 'string') return incomplete(object, bytes);
  const end = object.end + signatureLength;
  if (bytes.length < end) return { kind: 'more' };
  if (key !== null) {
    const signature = bytes.subarray(object.end, end);
    const wanted = sign(bytes.subarray(0, object.end), key.secret);
    if (signature.length !== wanted.length || !timingSafeEqual(signature, wanted)) return { kind: 'bad', reason: 'the signature is wrong' };
  }
  return {
    kind: 'message',
    bytes: end,
    message: { operation: word(2), handle: word(3), id: word(4), answers: word(5), message: message.pairs, object: object.pairs },
  };
}

function incomplete(reason: string, bytes: Buffer): Decoded {
  return reason === 'more' && bytes.length <= MAX_MESSAGE_BYTES ? { kind: 'more' } : { kind: 'bad', reason };
}

/** The pairs and where their list ends; `more` when the bytes end before it. */
function decodePairs(bytes: Buffer, start: number): { pairs: OmapiPairs; end: number } | string {
  const pairs = new Map<string, Buffer>();
  let at = start;
  for (let count = 0; count <= MAX_PAIRS; count++) {
    if (at + 2 > bytes.length) return 'more';
    const nameLength = bytes.readUInt16BE(at);
    at += 2;
    if (nameLength === 0) return { pairs, end: at };
    if (at + nameLength + 4 > bytes.length) return 'more';
    const name = bytes.toString('latin1', at, at + nameLength);
    const valueLength = bytes.readUInt32BE(at + nameLength);
    at += nameLength + 4;
    if (valueLength > MAX_MESSAGE_BYTES) return `a value of ${valueLength} bytes`;
    if (at + valueLength > bytes.length) return 'more';
    pairs.set(name, bytes.subarray(at, at + valueLength));
    at += valueLength;
  }
  return `more than ${MAX_PAIRS} pairs`;
}
