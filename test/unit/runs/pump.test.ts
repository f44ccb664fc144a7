import { describe, expect, it } from '@jest/globals';
import { isPassing } from '../../../src/db/passing.js';
import { Pump, type PumpOptions } from '../../../src/runs/pump.js';

/** A pump of numbers that answers each as text; `run` may be replaced by what goes wrong. */
function pumpOf(more: Partial<PumpOptions<number, string>> = {}) {
  const batches: number[][] = [];
  const pauses: number[] = [];
  const run = more.run ?? (async (items: number[]) => items.map(String));
  const pump = new Pump<number, string>({
    maxBatch: 100,
    onError: () => 'reject',
    pause: async (tries) => void pauses.push(tries),
    ...more,
    run: (items) => {
      batches.push(items);
      return run(items);
    },
  });
  return { pump, batches, pauses };
}

const withCode = (code: string) => Object.assign(new Error(code), { code });
const gate = () => {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
};

describe('the pump', () => {
  it('takes what comes together as one batch, and answers each its own', async () => {
    const { pump, batches } = pumpOf();
    expect(await Promise.all([1, 2, 3].map((item) => pump.add(item)))).toEqual(['1', '2', '3']);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('gathers what comes during a batch into the next, one batch at a time', async () => {
    const first = gate();
    let under = 0;
    const { pump, batches } = pumpOf({
      run: async (items) => {
        expect(++under).toBe(1);
        if (items.includes(1)) await first.opened;
        under--;
        return items.map(String);
      },
    });
    const one = pump.add(1);
    await new Promise((resolve) => setImmediate(resolve));
    const others = [2, 3, 4].map((item) => pump.add(item));
    first.open();
    await Promise.all([one, ...others]);
    expect(batches).toEqual([[1], [2, 3, 4]]);
  });

  it('waits for more after a batch when it is told to, and not when the next is full', async () => {
    const gathered: number[] = [];
    const more = gate();
    const { pump, batches } = pumpOf({
      maxBatch: 3,
      gather: (taken) => {
        gathered.push(taken);
        return gathered.length === 1 ? more.opened : Promise.resolve();
      },
    });
    const early = [1, 2, 3, 4, 5, 6, 7].map((item) => pump.add(item));
    await Promise.all(early.slice(0, 6));
    const late = pump.add(8);
    more.open();
    await Promise.all([...early, late]);
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5, 6],
      [7, 8],
    ]);
    expect(gathered).toEqual([3, 2]);
  });

  it('never makes a batch greater than its limit', async () => {
    const { pump, batches } = pumpOf({ maxBatch: 2 });
    await Promise.all([1, 2, 3, 4, 5].map((item) => pump.add(item)));
    expect(batches).toEqual([[1, 2], [3, 4], [5]]);
  });

  it('rule 12: a batch that met a deadlock is tried again as it is, after a pause that knows how often', async () => {
    let left = 3;
    const { pump, batches, pauses } = pumpOf({
      onError: (error) => (isPassing(error) ? 'again' : 'split'),
      run: async (items) => {
        if (left-- > 0) throw withCode('40P01');
        return items.map(String);
      },
    });
    expect(await Promise.all([1, 2].map((item) => pump.add(item)))).toEqual(['1', '2']);
    expect(batches).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
    expect(pauses).toEqual([0, 1, 2]);
  });

  it('rule 12: one poison item among many rejects alone', async () => {
    const { pump } = pumpOf({
      onError: () => 'split',
      run: async (items) => {
        if (items.includes(37)) throw withCode('22P05');
        return items.map(String);
      },
    });
    const answers = await Promise.allSettled(Array.from({ length: 100 }, (_, item) => pump.add(item)));
    expect(answers.flatMap((answer, item) => (answer.status === 'rejected' ? [item] : []))).toEqual([37]);
  });

  it('goes on after a batch that it gave up', async () => {
    let broken = true;
    const { pump } = pumpOf({
      run: async (items) => {
        if (broken) throw new Error('not now');
        return items.map(String);
      },
    });
    await expect(pump.add(1)).rejects.toThrow('not now');
    broken = false;
    expect(await pump.add(2)).toBe('2');
  });

  // It stayed "under way" for ever: every later outcome of the process waited for a batch that nobody ran.
  it.each([
    [
      'what decides on errors throws',
      {
        onError: () => {
          throw new Error('the judge is ill');
        },
      },
    ],
    ['the pause fails', { onError: () => 'again' as const, pause: () => Promise.reject(new Error('no rest')) }],
  ])('rule 12: cannot die: when %s, the callers hear of it and the next batch runs', async (_what, more) => {
    let broken = true;
    const { pump } = pumpOf({
      ...more,
      run: async (items) => {
        if (broken) throw new Error('first');
        return items.map(String);
      },
    });
    await expect(pump.add(1)).rejects.toThrow();
    broken = false;
    expect(await pump.add(2)).toBe('2');
    await pump.idle();
  });

  it('rejects an item that its batch did not answer', async () => {
    const { pump } = pumpOf({ run: async (items) => items.slice(1).map(String) });
    const answers = await Promise.allSettled([pump.add(1), pump.add(2)]);
    expect(answers.map((answer) => answer.status)).toEqual(['rejected', 'rejected']);
  });

  it('is idle only when nothing waits', async () => {
    const { pump, batches } = pumpOf({ maxBatch: 1 });
    const answers = [1, 2, 3].map((item) => pump.add(item));
    await pump.idle();
    expect(batches).toHaveLength(3);
    await Promise.all(answers);
  });
});

describe('errors that pass', () => {
  it.each([
    '40001',
    '40P01',
    '55P03',
    '57014',
    '57P01',
    '57P03',
    '08006',
    '08P01',
    '53300',
    '53100',
    '25P03',
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'EAI_AGAIN',
  ])('%s is tried again', (code) => expect(isPassing(withCode(code))).toBe(true));
  it.each(['23505', '23514', '22P05', '22P02', '22003', '42P01'])('%s is not: the same data will fail again', (code) =>
    expect(isPassing(withCode(code))).toBe(false),
  );
  it.each(['Connection terminated unexpectedly', 'timeout exceeded when trying to connect', 'Client has encountered a connection error and is not queryable'])(
    "node-postgres' '%s' is tried again",
    (message) => expect(isPassing(new Error(message))).toBe(true),
  );
  it('what is no error is not', () => expect(isPassing('40001')).toBe(false));
});
