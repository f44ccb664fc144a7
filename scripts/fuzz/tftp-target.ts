/**
 * The TFTP parser and what a read-only server decides from its result: name, options, window. A transfer stays open over many
 * packets, so that acknowledgements of every kind meet every state of it (attack 3, attack 4).
 */
import { strict as assert } from 'node:assert';
import type { Random } from '../../test/support/random.js';
import { agreeOptions } from '../../src/tftp/options.js';
import { encodeError, encodeOptions, parseTftp, TFTP_ERROR, type Request } from '../../src/tftp/packet.js';
import { cleanName } from '../../src/tftp/source.js';
import { nextWindow, startWindow, takeAcknowledgement, type Window, type WindowStep } from '../../src/tftp/window.js';
import { tftpPackets } from './tftp-packets.js';
import type { Target } from './target.js';

const LIMITS = { maxBlockBytes: 1_468, maxWindowBlocks: 64 };
const SIZES = [0, 1, 511, 512, 513, 1_468, 65_536, 40_000_000];

export function tftpTarget(random: Random): Target {
  let window: Window | undefined;
  const next = tftpPackets(random, () => window);
  const openFor = (request: Request): Window => {
    const size = random.pick(SIZES);
    const agreed = agreeOptions(request.options, size, LIMITS);
    assert.ok(agreed.blockBytes >= 8 && agreed.blockBytes <= LIMITS.maxBlockBytes, 'the block size is one we do');
    assert.ok(agreed.windowBlocks >= 1 && agreed.windowBlocks <= LIMITS.maxWindowBlocks, 'the window is one we do');
    assert.ok(agreed.timeoutSeconds >= 1 && agreed.timeoutSeconds <= 255, 'the timeout is one of RFC 2349');
    assert.ok(encodeOptions(agreed.granted).length <= 512, 'the OACK is no larger than a request may be');
    const opened = startWindow(size, agreed.blockBytes, agreed.windowBlocks, agreed.granted.size > 0);
    if (opened.open) assertStep(opened, nextWindow(opened));
    return opened;
  };
  return {
    next,
    take(bytes) {
      const packet = parseTftp(bytes);
      if (packet === undefined) return false;
      if (packet.kind === 'error') {
        window = undefined;
        return false;
      }
      if (packet.kind === 'write') return encodeError(TFTP_ERROR.accessViolation, 'this server is read only').length > 4;
      if (packet.kind !== 'acknowledgement') {
        assert.ok(!cleanName(packet.file).startsWith('/'), 'no name is absolute once it is clean');
        window = openFor(packet);
        return true;
      }
      if (window === undefined) return false;
      const step = takeAcknowledgement(window, packet.block);
      assertStep(window, step);
      if (step.kind === 'done') window = undefined;
      return step.kind === 'send';
    },
  };
}

/** Whatever is acknowledged: never more than a window under way, never a block that the file does not have. */
function assertStep(window: Window, step: WindowStep): void {
  assert.ok(window.acknowledged >= 0 && window.acknowledged <= window.sent && window.sent <= window.totalBlocks, 'the window lies in the file');
  if (step.kind !== 'send') return;
  assert.ok(step.from === window.acknowledged + 1 && step.to <= window.totalBlocks, 'the blocks follow what was acknowledged');
  assert.ok(step.to - step.from < window.windowBlocks, 'no more than one window is sent');
}
