import { describe, expect, it } from '@jest/globals';
import { splitAttempts } from '../../../src/bootwatch/attempts.js';
import { describeStep, Stage, stageOf } from '../../../src/bootwatch/steps.js';
import { asks, leases, loader, step, toKernel } from './step-builders.js';

const sizes = (steps: Parameters<typeof splitAttempts>[0]) => splitAttempts(steps).map((attempt) => attempt.steps.length);

describe('the boots in a timeline', () => {
  it('keeps firmware that repeats its DISCOVER in one boot', () => {
    expect(sizes([...asks('pxe', 0), ...asks('pxe', 4), ...asks('pxe', 12), ...asks('pxe', 28)])).toEqual([8]);
  });

  it('begins a boot where firmware asks again although the boot was further', () => {
    const first = [...leases('pxe', 0), ...loader(0.1)];
    expect(sizes([...first, ...leases('pxe', 5)])).toEqual([first.length, 4]);
  });

  it('begins a boot with a switch of the power, and the DISCOVER that follows belongs to it', () => {
    const running = toKernel(0);
    expect(sizes([...running, step('power-cycle', 400), ...asks('pxe', 900)])).toEqual([running.length, 3]);
    expect(sizes([step('power-off', 0), step('power-on', 1), ...asks('pxe', 2)])).toEqual([4]);
  });

  it('begins a boot after a long silence', () => {
    expect(sizes([...asks('pxe', 0), ...asks('pxe', 300)])).toEqual([2, 2]);
  });

  it('says how far each came', () => {
    expect(splitAttempts(toKernel(0)).map((attempt) => attempt.reached)).toEqual([Stage.kernel]);
    expect(splitAttempts([...toKernel(0), ...leases('other', 20), step('facts', 30)])[0]?.reached).toBe(Stage.reported);
    expect(splitAttempts([step('token-refused', 0)])[0]?.reached).toBe(Stage.power);
    expect(splitAttempts([])).toEqual([]);
  });
});

describe('the words of a step', () => {
  it('names a REQUEST for another server, and a script that only waits', () => {
    expect(describeStep(step('dhcp-ignored', 0, {}, 'other-server'))).toEqual({ title: 'REQUEST for another server', tone: 'bad' });
    expect(describeStep(step('http-script', 0, { answer: 'wait' })).title).toBe('told to wait');
  });

  it('shows a kind of a newer version by its name', () => {
    expect(describeStep(step('tftp-teleport', 0))).toEqual({ title: 'tftp-teleport', tone: 'plain' });
    expect(stageOf(step('tftp-teleport', 0))).toBeUndefined();
  });
});
