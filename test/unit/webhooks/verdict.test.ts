import { describe, expect, it } from '@jest/globals';
import { ATTEMPTS_MAX, delayMs, judge } from '../../../src/webhooks/verdict.js';

const answered = (status: number, retryAfterSeconds: number | null = null) => ({ kind: 'answered' as const, status, retryAfterSeconds, response: '', ms: 1 });

describe('what becomes of a webhook delivery', () => {
  it.each([200, 201, 202, 204, 299])('%i: delivered', (status) => {
    expect(judge(answered(status), 1, 0)).toEqual({ kind: 'delivered' });
  });
  it.each([408, 429, 500, 502, 503, 504])('%i: tried again', (status) => {
    expect(judge(answered(status), 1, 0)).toMatchObject({ kind: 'again', error: `it answered ${status}` });
  });
  it.each([400, 401, 403, 404, 405, 410, 413, 415, 422])('%i: dead at once, it would say the same again', (status) => {
    expect(judge(answered(status), 1, 0)).toEqual({ kind: 'dead', error: `it answered ${status}` });
  });
  it.each([301, 302, 303, 307, 308])('%i: dead at once, because it would lead past the address policy', (status) => {
    expect(judge(answered(status), 1, 0)).toMatchObject({ kind: 'dead', error: expect.stringContaining('redirects are not followed') });
  });
  it('tries again when nobody answers, and gives up after the last try', () => {
    const lost = { kind: 'no-answer' as const, error: 'connect ECONNREFUSED', ms: 1 };
    expect(judge(lost, ATTEMPTS_MAX - 1, 0)).toMatchObject({ kind: 'again' });
    expect(judge(lost, ATTEMPTS_MAX, 0)).toMatchObject({ kind: 'dead', error: `connect ECONNREFUSED, ${ATTEMPTS_MAX} times` });
  });
  it('never tries again what the address policy refused', () => {
    expect(judge({ kind: 'refused', error: 'loopback', ms: 0 }, 1, 0)).toEqual({ kind: 'dead', error: 'loopback' });
  });
  it('heeds Retry-After, up to an hour', () => {
    expect(judge(answered(429, 60), 1, 0)).toMatchObject({ afterMs: 60_000 });
    expect(judge(answered(503, 999_999), 1, 0)).toMatchObject({ afterMs: 3_600_000 });
    expect(judge(answered(503, 0), 1, 0)).toMatchObject({ afterMs: 2_500 });
  });
  it('waits longer each time, an hour at most, between half and all of it', () => {
    const whole = Array.from({ length: ATTEMPTS_MAX }, (_unused, n) => delayMs(n + 1, 1));
    expect(whole.slice(0, 4)).toEqual([5_000, 15_000, 45_000, 135_000]);
    expect(Math.max(...whole)).toBe(3_600_000);
    expect(delayMs(3, 0)).toBe(22_500);
  });
});
