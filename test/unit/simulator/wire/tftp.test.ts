import { describe, it, expect } from '@jest/globals';
import { decodeTftpReply, encodeAcknowledgement, encodeError, encodeReadRequest } from '../../../../src/simulator/wire/tftp-packet.js';
import { repeatOf, startTransfer, takeReply, type TftpStep, type TftpTransfer } from '../../../../src/simulator/wire/tftp-transfer.js';

const OFFERED = new Map([
  ['tsize', 0],
  ['blksize', 1468],
  ['windowsize', 4],
]);

const agree = (options: Record<string, string>) => ({ kind: 'options' as const, options: new Map(Object.entries(options)) });
const data = (block: number, bytes: number) => ({ kind: 'data' as const, block, payload: Buffer.alloc(bytes) });
const acknowledged = (block: number): TftpStep => ({ kind: 'send', bytes: encodeAcknowledgement(block) });

/** A transfer after its OACK. */
function agreed(options: Record<string, string>): TftpTransfer {
  const transfer = startTransfer();
  takeReply(transfer, agree(options), OFFERED);
  return transfer;
}

describe('TFTP packets', () => {
  it('writes the RRQ that OVMF writes', () => {
    expect(encodeReadRequest('snponly.efi', OFFERED).toString('latin1')).toBe(
      '\0\u0001snponly.efi\0octet\0tsize\u00000\0blksize\u00001468\0windowsize\u00004\0',
    );
  });

  it.each([
    ['an OACK', '0006' + Buffer.from('TSIZE\0' + '70\0').toString('hex'), { kind: 'options', options: new Map([['tsize', '70']]) }],
    ['DATA', '00030002aabb', { kind: 'data', block: 2, payload: Buffer.from([0xaa, 0xbb]) }],
    ['an ERROR', encodeError(1, 'no such file').toString('hex'), { kind: 'error', code: 1, text: 'no such file' }],
    ['an ACK, which a reader never gets', '00040001', undefined],
    ['an OACK with half a pair', '0006' + Buffer.from('tsize\0').toString('hex'), undefined],
    ['an OACK without its last NUL', '0006' + Buffer.from('tsize\0' + '1').toString('hex'), undefined],
    ['one byte', '00', undefined],
    ['nothing', '', undefined],
  ])('reads %s', (_, hex, reply) => {
    expect(decodeTftpReply(Buffer.from(hex, 'hex'))).toEqual(reply);
  });
});

describe('a transfer', () => {
  it('acknowledges the last block of each window, and the last block of the file', () => {
    const transfer = agreed({ blksize: '100', windowsize: '2', tsize: '350' });
    expect([1, 2, 3, 4].map((block) => takeReply(transfer, data(block, block === 4 ? 50 : 100), OFFERED))).toEqual([
      { kind: 'wait' },
      acknowledged(2),
      { kind: 'wait' },
      { kind: 'done', bytes: encodeAcknowledgement(4) },
    ]);
    expect(transfer.receivedBytes).toBe(350);
  });

  it('is RFC 1350 with a server that knows no options', () => {
    const transfer = startTransfer();
    expect(takeReply(transfer, data(1, 512), OFFERED)).toEqual(acknowledged(1));
    expect(takeReply(transfer, data(2, 0), OFFERED)).toEqual({ kind: 'done', bytes: encodeAcknowledgement(2) });
  });

  it('says once where it stands when a block of a window is lost', () => {
    const transfer = agreed({ blksize: '100', windowsize: '4' });
    takeReply(transfer, data(1, 100), OFFERED);
    expect(takeReply(transfer, data(3, 100), OFFERED)).toEqual(acknowledged(1));
    expect(takeReply(transfer, data(4, 100), OFFERED)).toEqual({ kind: 'wait' });
    expect(takeReply(transfer, data(2, 100), OFFERED)).toEqual({ kind: 'wait' });
  });

  it('repeats its ACK when the newest block comes again, and ignores older ones', () => {
    const transfer = agreed({ blksize: '100' });
    takeReply(transfer, data(1, 100), OFFERED);
    takeReply(transfer, data(2, 100), OFFERED);
    expect(takeReply(transfer, data(2, 100), OFFERED)).toEqual(acknowledged(2));
    expect(takeReply(transfer, data(1, 100), OFFERED)).toEqual({ kind: 'wait' });
  });

  it('goes on over block 65535', () => {
    const transfer = { ...agreed({ blksize: '100' }), blocks: 65_535 };
    expect(takeReply(transfer, data(0, 100), OFFERED)).toEqual(acknowledged(0));
    expect(takeReply(transfer, data(1, 100), OFFERED)).toEqual(acknowledged(1));
  });

  it.each([
    ['a block size above the asked one', agree({ blksize: '9000' })],
    ['a window above the asked one', agree({ windowsize: '64' })],
    ['an option that was not asked for', agree({ timeout: '1' })],
    ['a size that is no number', agree({ tsize: 'big' })],
    ['an error', { kind: 'error' as const, code: 2, text: 'access violation' }],
  ])('fails on %s', (_, reply) => {
    expect(takeReply(startTransfer(), reply, OFFERED)).toMatchObject({ kind: 'failed' });
  });

  it('fails when the file is not as long as announced', () => {
    expect(takeReply(agreed({ tsize: '10' }), data(1, 9), OFFERED)).toEqual({ kind: 'failed', reason: '9 bytes came, 10 were announced' });
  });

  it('repeats the RRQ while nothing came and the last ACK afterwards', () => {
    expect(repeatOf(startTransfer(), false)).toBeUndefined();
    expect(repeatOf(agreed({ tsize: '10' }), true)).toEqual(encodeAcknowledgement(0));
  });
});
