import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeOmapi, encodeOmapi, OmapiOperation, type OmapiMessage } from '../../../src/interchange/omapi/message.js';

const KEY = { id: 7, secret: Buffer.from('0123456789abcdef') };
const question: OmapiMessage = {
  operation: OmapiOperation.open,
  handle: 0,
  id: 1,
  answers: 0,
  message: new Map([['type', Buffer.from('host')]]),
  object: new Map([['name', Buffer.from('n')]]),
};

describe('a message of OMAPI', () => {
  it('is laid out as dhcpd reads it', () => {
    expect(encodeOmapi(question, null).toString('hex')).toBe(
      '00000000' +
        '00000000' +
        '00000001' +
        '00000000' +
        '00000001' +
        '00000000' +
        '0004747970650000000 4686f7374'.replace(' ', '') +
        '0000' +
        '00046e616d65000000016e' +
        '0000',
    );
  });

  it('comes back as it was, at every cut asks for more, and with another key or a changed byte is refused', () => {
    const bytes = encodeOmapi(question, KEY);
    expect(decodeOmapi(bytes, KEY)).toEqual({ kind: 'message', bytes: bytes.length, message: question });
    for (let length = 0; length < bytes.length; length++) expect(decodeOmapi(bytes.subarray(0, length), KEY)).toEqual({ kind: 'more' });
    expect(decodeOmapi(bytes, { ...KEY, secret: Buffer.from('another') }).kind).toBe('bad');
    const changed = Buffer.from(bytes);
    changed.writeUInt8(9, 11);
    expect(decodeOmapi(changed, KEY).kind).toBe('bad');
  });

  it('never makes the reader throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(199), (noise, at) => {
        const bytes = encodeOmapi(question, KEY);
        Buffer.from(noise).copy(bytes, Math.min(at, bytes.length));
        expect(['message', 'more', 'bad']).toContain(decodeOmapi(bytes, KEY).kind);
        expect(['message', 'more', 'bad']).toContain(decodeOmapi(Buffer.from(noise), null).kind);
      }),
      { numRuns: 5_000 },
    );
  });
});
