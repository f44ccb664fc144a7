import { describe, expect, it } from '@jest/globals';
import { OUTCOME_LIMIT_BYTES, safeOutcome } from '../../../src/noderoles/outcome.js';

const bad = { kind: 'fail', code: 'bad-outcome', retryable: false };
const done = (text: string) => ({ kind: 'done', wall: { text } });

describe('what a jig returned', () => {
  it('passes as it is when it is an outcome', () => {
    const wait = { kind: 'wait', key: 'served:1', minGeneration: 3, deadlineSeconds: 60, keeps: 'nothing', memo: { step: 'served' } };
    expect(safeOutcome(wait)).toEqual(wait);
    expect(safeOutcome({ kind: 'done' })).toEqual({ kind: 'done' });
  });

  // A jig that returned nothing made its handler throw: the run stayed RUNNING until its lease was over, five times.
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['another kind', { kind: 'maybe' }],
    ['a wall that is no object', { kind: 'done', wall: 'text' }],
    ['a number JSON has not', { kind: 'done', wall: { n: Number.NaN } }],
    ['a big integer', { kind: 'done', wall: { n: 1n } }],
    ['a wait without a deadline', { kind: 'wait', key: 'k', minGeneration: 1, keeps: 'node', memo: {} }],
    ['a wait for ever', { kind: 'wait', key: 'k', minGeneration: 1, deadlineSeconds: Infinity, keeps: 'node', memo: {} }],
  ])('%s is a final failure that says so', (_what, returned) => expect(safeOutcome(returned)).toMatchObject(bad));

  it.each(['a\u0000b', '\ud800', 'x\udfffy', '\\\u0000'])('rule 12: %j cannot be stored', (text) => expect(safeOutcome(done(text))).toMatchObject(bad));
  it('rule 12: nor can a key that holds NUL', () => expect(safeOutcome({ kind: 'done', wall: { '\u0000': 1 } })).toMatchObject(bad));
  // It was taken for a NUL: a step that left a regular expression or a JSON document as text failed for good.
  it.each(['\\u0000', '\\\\u0000', '\\ud800', '😀', 'C:\\users'])('%j is only text', (text) => expect(safeOutcome(done(text))).toEqual(done(text)));

  it('rule 12: a wall, a memo or a result over the limit is refused, counted in bytes', () => {
    expect(safeOutcome(done('x'.repeat(OUTCOME_LIMIT_BYTES - 100)))).toMatchObject({ kind: 'done' });
    expect(safeOutcome(done('é'.repeat(OUTCOME_LIMIT_BYTES / 2)))).toMatchObject(bad);
    expect(
      safeOutcome({ kind: 'wait', key: 'k', minGeneration: 1, deadlineSeconds: 1, keeps: 'node', memo: { x: 'x'.repeat(OUTCOME_LIMIT_BYTES) } }),
    ).toMatchObject(bad);
  });

  it('a failure whose message cannot be stored stays that failure', () => {
    expect(safeOutcome({ kind: 'fail', code: 'ssh', message: 'exit\u0000 \ud800', retryable: true })).toEqual({
      kind: 'fail',
      code: 'ssh',
      message: 'exit\uFFFD \uFFFD',
      retryable: true,
    });
  });
});
