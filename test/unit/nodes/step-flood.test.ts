import { describe, expect, it } from '@jest/globals';
import { StepFlood } from '../../../src/nodes/step-flood.js';

describe('StepFlood', () => {
  it('tells machines that are under way to their end, leaves others out, and counts what it left out', () => {
    const waiting = ['a', 'a', 'b'].map((mac) => ({ mac }));
    const flood = new StepFlood(100, () => waiting);
    expect([flood.admits('c', 74), flood.isOn()]).toEqual([true, false]);
    expect(['a', 'b', 'c', 'c', 'd'].map((mac) => flood.admits(mac, 75))).toEqual([true, true, false, false, false]);
    expect([flood.isOn(), flood.takeLeftOut('c'), flood.takeLeftOut('c'), flood.takeLeftOut('a')]).toEqual([true, 2, 0, 0]);
  });

  it('is over when half of the room is free again, and not before', () => {
    const flood = new StepFlood(100, () => []);
    expect([75, 60, 50].map((waiting) => flood.admits('a', waiting))).toEqual([false, false, false]);
    expect([flood.admits('a', 49), flood.isOn(), flood.admits('a', 60)]).toEqual([true, false, true]);
    expect(flood.takeLeftOut('a')).toBe(3);
  });

  it('leaves a machine out altogether once there was no room for one of its steps', () => {
    const flood = new StepFlood(100, () => [{ mac: 'a' }]);
    expect([80, 100, 90].map((waiting) => flood.admits('a', waiting))).toEqual([true, false, false]);
  });

  it('attack 9: remembers no more machines than it is built for, whatever MACs a flood invents', () => {
    const flood = new StepFlood(100, () => []);
    for (let n = 0; n < 60_000; n += 1) flood.admits(`${n}`, 80);
    expect([flood.takeLeftOut('49999'), flood.takeLeftOut('50000')]).toEqual([1, 0]);
  });
});
