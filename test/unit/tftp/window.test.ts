import { describe, expect, it } from '@jest/globals';
import { nextWindow, startWindow, takeAcknowledgement } from '../../../src/tftp/window.js';

describe('window of a transfer', () => {
  it('sends nothing before the OACK is acknowledged with block 0', () => {
    const window = startWindow(2_000, 512, 4, true);
    expect(takeAcknowledgement(window, 1)).toEqual({ kind: 'ignore' });
    expect(takeAcknowledgement(window, 0)).toEqual({ kind: 'send', from: 1, to: 4 });
  });

  it('ends a file whose size is a multiple of the block with an empty block', () => {
    const window = startWindow(1_024, 512, 1, false);
    expect(window.totalBlocks).toBe(3);
    expect(nextWindow(window)).toEqual({ kind: 'send', from: 1, to: 1 });
    expect(takeAcknowledgement(window, 1)).toEqual({ kind: 'send', from: 2, to: 2 });
    expect(takeAcknowledgement(window, 2)).toEqual({ kind: 'send', from: 3, to: 3 });
    expect(takeAcknowledgement(window, 3)).toEqual({ kind: 'done' });
  });

  it("attack 4: never answers a duplicate ACK one block at a time (Sorcerer's Apprentice)", () => {
    const window = startWindow(5_000, 512, 1, false);
    nextWindow(window);
    takeAcknowledgement(window, 1);
    for (let again = 0; again < 3; again += 1) expect(takeAcknowledgement(window, 1)).toEqual({ kind: 'ignore' });
  });

  it('repeats a window once when its first block was lost, and goes on where the client is when a later one was', () => {
    const window = startWindow(100_000, 512, 8, false);
    nextWindow(window);
    expect(takeAcknowledgement(window, 0)).toEqual({ kind: 'send', from: 1, to: 8 });
    expect(takeAcknowledgement(window, 0)).toEqual({ kind: 'ignore' });
    expect(takeAcknowledgement(window, 5)).toEqual({ kind: 'send', from: 6, to: 13 });
  });

  // Each block behind the lost one is acknowledged by some clients: every loss had its window sent three times.
  it('takes the ACK of a part of the window for the repeat that it asks for, and what comes behind it for the same', () => {
    const window = startWindow(100_000, 512, 8, false);
    nextWindow(window);
    expect(takeAcknowledgement(window, 3)).toEqual({ kind: 'send', from: 4, to: 11 });
    for (let behind = 5; behind <= 8; behind += 1) expect(takeAcknowledgement(window, 3)).toEqual({ kind: 'ignore' });
    expect(takeAcknowledgement(window, 11)).toEqual({ kind: 'send', from: 12, to: 19 });
    expect(takeAcknowledgement(window, 11)).toEqual({ kind: 'send', from: 12, to: 19 });
  });

  it('ignores an ACK of what was never sent', () => {
    const window = startWindow(100_000, 512, 4, false);
    nextWindow(window);
    for (const block of [5, 6, 1_000, 65_535]) expect(takeAcknowledgement(window, block)).toEqual({ kind: 'ignore' });
    expect(window.acknowledged).toBe(0);
  });

  it('rolls over after block 65535', () => {
    const window = startWindow(70_000 * 8, 8, 64, false);
    let step = nextWindow(window);
    let rounds = 0;
    while (step.kind === 'send' && rounds < 2_000) {
      step = takeAcknowledgement(window, step.to & 0xffff);
      rounds += 1;
    }
    expect(step).toEqual({ kind: 'done' });
    expect(window.acknowledged).toBe(70_001);
  });
});
