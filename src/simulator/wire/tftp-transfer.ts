/**
 * PURE: one read transfer from the client's side. What came goes in, what to send comes out; the socket and the clock are
 * `tftp-client.ts`. Windows of RFC 7440: only the last block of a window is acknowledged, or the last one in order when one
 * is missing.
 */
import { encodeAcknowledgement, type TftpReply } from './tftp-packet.js';

export type TftpTransfer = {
  blockBytes: number;
  windowBlocks: number;
  /** Size the server announced (tsize), or undefined. */
  announcedBytes: number | undefined;
  receivedBytes: number;
  /** Blocks taken in order, not modulo 65536. */
  blocks: number;
  /** Blocks taken since the last ACK. */
  sinceAcknowledged: number;
  /** The gap has been reported once; the rest of the broken window is ignored. RFC 7440 section 4. */
  gapReported: boolean;
};

export type TftpStep = { kind: 'wait' } | { kind: 'send'; bytes: Buffer } | { kind: 'done'; bytes: Buffer } | { kind: 'failed'; reason: string };

/** A transfer for which the RRQ has just been sent. Until an OACK says otherwise RFC 1350 holds: 512 bytes, one block at a time. */
export function startTransfer(): TftpTransfer {
  return { blockBytes: 512, windowBlocks: 1, announcedBytes: undefined, receivedBytes: 0, blocks: 0, sinceAcknowledged: 0, gapReported: false };
}

/** Takes one packet; `offered` are the option values of the RRQ, which the server may lower but never raise. */
export function takeReply(transfer: TftpTransfer, reply: TftpReply, offered: ReadonlyMap<string, number>): TftpStep {
  if (reply.kind === 'error') return { kind: 'failed', reason: `TFTP error ${reply.code}: ${reply.text}` };
  if (reply.kind === 'options') return takeOptions(transfer, reply.options, offered);
  if (reply.block !== ((transfer.blocks + 1) & 0xffff)) return takeStranger(transfer, reply.block);
  if (reply.payload.length > transfer.blockBytes) return { kind: 'failed', reason: `a block of ${reply.payload.length} bytes` };

  transfer.blocks += 1;
  transfer.sinceAcknowledged += 1;
  transfer.gapReported = false;
  transfer.receivedBytes += reply.payload.length;
  if (reply.payload.length < transfer.blockBytes) return finish(transfer);
  if (transfer.sinceAcknowledged < transfer.windowBlocks) return { kind: 'wait' };
  return { kind: 'send', bytes: acknowledge(transfer) };
}

/** What to send again when nothing came in time: the last ACK, or undefined when the RRQ itself has to be repeated. */
export function repeatOf(transfer: TftpTransfer, agreed: boolean): Buffer | undefined {
  return transfer.blocks === 0 && !agreed ? undefined : acknowledge(transfer);
}

function takeOptions(transfer: TftpTransfer, options: ReadonlyMap<string, string>, offered: ReadonlyMap<string, number>): TftpStep {
  if (transfer.blocks > 0) return { kind: 'wait' };
  for (const [name, text] of options) {
    const asked = offered.get(name);
    const value = Number(text);
    // RFC 2347: a server must not answer with an option that was not asked for.
    if (asked === undefined || !/^\d+$/.test(text)) return { kind: 'failed', reason: `unasked or malformed option ${name}=${text}` };
    if (name === 'tsize') transfer.announcedBytes = value;
    else if (value < 1 || value > asked) return { kind: 'failed', reason: `${name}=${text} is more than the ${asked} asked for` };
    else if (name === 'blksize') transfer.blockBytes = value;
    else if (name === 'windowsize') transfer.windowBlocks = value;
  }
  return { kind: 'send', bytes: acknowledge(transfer) };
}

/**
 * Not the next block. The newest one again means that our ACK was lost: repeat it. One from further ahead means that a block
 * was lost: say once where we are (RFC 7440 section 4). Older ones are late copies and are ignored.
 */
function takeStranger(transfer: TftpTransfer, block: number): TftpStep {
  const ahead = (block - transfer.blocks) & 0xffff;
  if (ahead === 0) return { kind: 'send', bytes: acknowledge(transfer) };
  if (ahead >= 0x8000 || transfer.gapReported) return { kind: 'wait' };
  transfer.gapReported = true;
  return { kind: 'send', bytes: acknowledge(transfer) };
}

function finish(transfer: TftpTransfer): TftpStep {
  const { announcedBytes, receivedBytes } = transfer;
  if (announcedBytes !== undefined && announcedBytes !== receivedBytes) {
    return { kind: 'failed', reason: `${receivedBytes} bytes came, ${announcedBytes} were announced` };
  }
  return { kind: 'done', bytes: acknowledge(transfer) };
}

function acknowledge(transfer: TftpTransfer): Buffer {
  transfer.sinceAcknowledged = 0;
  return encodeAcknowledgement(transfer.blocks & 0xffff);
}
