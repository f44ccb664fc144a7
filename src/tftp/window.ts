/**
 * PURE: one read transfer from the server's side: which blocks to send next. The socket, the file and the clock are
 * `transfer.ts`. Blocks are counted without end here and modulo 65536 on the wire, which is what every client does with
 * files of more than 65535 blocks.
 */

export type Window = {
  /** Blocks of the file; the last one is shorter than a block, empty when the size is a multiple. RFC 1350 section 6. */
  readonly totalBlocks: number;
  readonly windowBlocks: number;
  /** Highest block acknowledged in order, 0 before the first. */
  acknowledged: number;
  /** Highest block sent. */
  sent: number;
  /** The OACK has been acknowledged, or there was none. */
  open: boolean;
  /** What is under way is sent for the second time already: a third time waits for the timer. */
  repeated: boolean;
};

/** `from` to `to` are blocks to send, both included. */
export type WindowStep = { kind: 'ignore' } | { kind: 'send'; from: number; to: number } | { kind: 'done' };

const IGNORE: WindowStep = { kind: 'ignore' };

export function startWindow(sizeBytes: number, blockBytes: number, windowBlocks: number, hasOptions: boolean): Window {
  return { totalBlocks: Math.floor(sizeBytes / blockBytes) + 1, windowBlocks, acknowledged: 0, sent: 0, open: !hasOptions, repeated: false };
}

/** The blocks that may be under way now. */
export function nextWindow(window: Window): WindowStep {
  const from = window.acknowledged + 1;
  const to = Math.min(window.acknowledged + window.windowBlocks, window.totalBlocks);
  window.sent = Math.max(window.sent, to);
  return { kind: 'send', from, to };
}

/** Takes an ACK. Safe against any number: what acknowledges nothing that was sent is ignored. */
export function takeAcknowledgement(window: Window, block: number): WindowStep {
  if (!window.open) {
    if (block !== 0) return IGNORE;
    window.open = true;
    return nextWindow(window);
  }
  const ahead = (block - window.acknowledged) & 0xffff;
  if (ahead === 0) return repeatWindow(window);
  const reached = window.acknowledged + ahead;
  if (reached > window.sent) return IGNORE;
  // Short of what was sent: the next block was lost, and what is sent now is its repeat (RFC 7440 section 4).
  window.repeated = reached < window.sent;
  window.acknowledged = reached;
  return reached === window.totalBlocks ? { kind: 'done' } : nextWindow(window);
}

/**
 * The last block is acknowledged once more. One block at a time this is a delayed duplicate and never answered, or every
 * later block would be sent twice (Sorcerer's Apprentice, RFC 1123 section 4.2.3.1). In a window it means that the first
 * block was lost (RFC 7440 section 4): sent again once, then only by the timer.
 */
function repeatWindow(window: Window): WindowStep {
  if (window.windowBlocks === 1 || window.repeated || window.sent === window.acknowledged) return IGNORE;
  window.repeated = true;
  return nextWindow(window);
}
