import { describe, expect, it } from '@jest/globals';
import { batched } from '../../../src/shared/batched.js';

/** A function of many whose calls end when the test says so. */
function held(atOnce = 1) {
  const calls: { questions: readonly number[]; end: () => void; fail: () => void }[] = [];
  const ask = batched(
    (questions: readonly number[]) =>
      new Promise<number[]>((resolve, reject) => {
        calls.push({ questions, end: () => resolve(questions.map((question) => question * 10)), fail: () => reject(new Error('away')) });
      }),
    { batchMax: 3, atOnce },
  );
  return { calls, ask };
}

describe('questions answered together', () => {
  it('never answers a question by a call that began before it', async () => {
    const { calls, ask } = held();
    const first = ask(1);
    const later = [ask(2), ask(3), ask(4), ask(5)];
    expect(calls.map(({ questions }) => questions)).toEqual([[1]]);
    calls[0]?.end();
    expect(await first).toBe(10);
    expect(calls[1]?.questions).toEqual([2, 3, 4]);
    calls[1]?.end();
    expect(await Promise.all(later.slice(0, 3))).toEqual([20, 30, 40]);
    calls[2]?.end();
    expect(await later[3]).toBe(50);
  });

  it('begins a second call beside the first only when it is full', () => {
    const { calls, ask } = held(2);
    for (const question of [1, 2, 3]) void ask(question);
    expect(calls.map(({ questions }) => questions)).toEqual([[1]]);
    for (const question of [4, 5, 6, 7]) void ask(question);
    expect(calls.map(({ questions }) => questions)).toEqual([[1], [2, 3, 4]]);
  });

  it('rejects the questions of a call that failed, and goes on with the next', async () => {
    const { calls, ask } = held();
    const first = ask(1);
    const second = ask(2);
    calls[0]?.fail();
    await expect(first).rejects.toThrow('away');
    calls[1]?.end();
    expect(await second).toBe(20);
  });
});
