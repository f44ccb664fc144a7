import { describe, expect, it } from '@jest/globals';
import { pathOf } from '../../../src/api/error-handler.js';

const TOKEN = 'T'.repeat(43);

describe('paths in the log', () => {
  it.each([
    `/node/7/bootenv-local/${TOKEN}`,
    `/node/7/bootenv-local/${TOKEN}/more`,
    `/node/7/bootenv-local/${TOKEN}?x=1`,
    `/boot/answers/${TOKEN}/preseed.cfg`,
    `/boot/ipxe/x?token=${TOKEN}`,
  ])('netboot rule 20: never have the token of %s', (url) => {
    expect(pathOf(url)).not.toContain('TTT');
  });
});
