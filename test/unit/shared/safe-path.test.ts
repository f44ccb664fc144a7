import { describe, expect, it } from '@jest/globals';
import { safeSegments } from '../../../src/shared/safe-path.js';

describe('attack 1: names from the network', () => {
  it.each(['linux', 'casper/vmlinuz', 'ipxe.efi', 'a b', 'ünïcode'])('%j is a name', (name) => {
    expect(safeSegments(name)).toEqual(name.split('/'));
  });

  it.each([
    '',
    '/',
    '/etc/passwd',
    '..',
    '../x',
    'a/../b',
    'a/..',
    './a',
    'a//b',
    'a/',
    '.hidden',
    'a/.git/config',
    'a\\b',
    '..\\x',
    'a\u0000b',
    'a\nb',
    '%2e%2e/x',
    'x%00',
    'x'.repeat(256),
  ])('%j is none', (name) => {
    expect(safeSegments(name)).toBeUndefined();
  });
});
