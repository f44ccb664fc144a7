import { describe, expect, it } from '@jest/globals';
import { bootTimelineText } from '../../../../src/cli/terminal/boot-steps.js';
import { createLook } from '../../../../src/cli/terminal/look.js';

const look = createLook({ colour: false, unicode: true });
const step = (at: string, text: string, title = 'DISCOVER seen') => ({
  id: 1,
  mac: '52:54:00:77:00:01',
  at,
  kind: 'dhcp-discover',
  title,
  tone: 'plain' as const,
  text,
  facts: {},
});

describe('a boot timeline on a terminal', () => {
  it('has a line for each step, the gap to the one before, and the day once', () => {
    const lines = bootTimelineText([step('2026-11-21T10:00:00.000Z', 'pxe'), step('2026-11-21T10:00:13.250Z', 'ipxe')], look).split('\n');
    expect(lines).toEqual([
      '2026-11-21 UTC',
      '10:00:00.000            · DISCOVER seen                  pxe',
      '10:00:13.250     +13 s  · DISCOVER seen                  ipxe',
    ]);
  });

  it('attack 7: escape sequences, newlines and bells of a machine do not reach the terminal', () => {
    const text = bootTimelineText([step('2026-11-21T10:00:00.000Z', 'a\u001b[2J\u001b]0;owned\u0007b\r\nc\u009b31m</script>', '\u001b[1mx')], look);
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(text.split('\n')).toHaveLength(2);
  });
});
