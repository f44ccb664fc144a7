import { describe, it, expect } from '@jest/globals';
import { Gate } from '../../../src/simulator/gate.js';

const NEVER = new AbortController().signal;

describe('the boot gate', () => {
  it('lets as many in as it has places, the others in their order', async () => {
    const gate = new Gate(1);
    const order: string[] = [];
    const leave = await gate.enter(NEVER);
    const second = gate.enter(NEVER).then((done) => (order.push('second'), done));
    const third = gate.enter(NEVER).then((done) => (order.push('third'), done));
    await Promise.resolve();
    expect(order).toEqual([]);
    leave();
    (await second)();
    (await third)();
    expect(order).toEqual(['second', 'third']);
  });

  it('gives a place back once, however often it is left', async () => {
    const gate = new Gate(1);
    const leave = await gate.enter(NEVER);
    leave();
    leave();
    await gate.enter(NEVER);
    const waiting = new AbortController();
    const refused = gate.enter(waiting.signal);
    waiting.abort(new Error('power off'));
    await expect(refused).rejects.toThrow('power off');
  });

  it('loses no place to one who was cancelled while waiting', async () => {
    const gate = new Gate(1);
    const leave = await gate.enter(NEVER);
    const waiting = new AbortController();
    const cancelled = gate.enter(waiting.signal);
    const next = gate.enter(NEVER);
    waiting.abort(new Error('power off'));
    await expect(cancelled).rejects.toThrow('power off');
    leave();
    await expect(next).resolves.toBeInstanceOf(Function);
  });
});
