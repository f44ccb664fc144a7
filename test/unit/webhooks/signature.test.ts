import { describe, expect, it } from '@jest/globals';
import { isSigned, sign } from '../../../src/webhooks/signature.js';

describe('the signature of a webhook delivery', () => {
  const body = '{"id":"1","event":{"kind":"alarm"}}';
  const header = sign('whsec_x', 1_700_000_000, body);

  it('is what openssl computes over time, dot, body', () => {
    // printf '1700000000.%s' "$body" | openssl dgst -sha256 -hmac whsec_x
    expect(header).toBe('t=1700000000,v1=758a290c7e53a0f8627a5ba9002ff931ef4e433eb3e22b742fa28eb071ef5ecf');
  });
  it.each([
    ['as it is', header, body, 1_700_000_010, true],
    ['with another body', header, `${body} `, 1_700_000_010, false],
    ['too old', header, body, 1_700_000_301, false],
    ['from the future', header, body, 1_699_999_000, false],
    ['with its time changed', header.replace('t=1700000000', 't=1700000009'), body, 1_700_000_010, false],
    ['without a signature', 't=1700000000', body, 1_700_000_010, false],
    ['with nonsense', 'nonsense', body, 1_700_000_010, false],
  ])('is checked %s', (_what, given, sent, now, expected) => {
    expect(isSigned('whsec_x', given, sent, now)).toBe(expected);
  });
});
