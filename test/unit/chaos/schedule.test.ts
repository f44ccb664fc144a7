import { describe, expect, it } from '@jest/globals';
import { planOf } from '../../chaos/schedule.js';

describe('the schedule of the chaos', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planOf(5, 75, 'redis', 4)).toEqual(planOf(5, 75, 'redis', 4));
    expect(planOf(5, 75, 'redis', 4)).not.toEqual(planOf(6, 75, 'redis', 4));
  });

  it.each(Array.from({ length: 20 }, (_, seed) => seed))('brings every kind of fault within a minute (seed %i)', (seed) => {
    const kinds = new Set(planOf(seed, 60, 'redis', 4).faults.map((fault) => fault.what.kind));
    expect([...kinds].sort()).toEqual([
      'cut',
      'flush-redis',
      'freeze',
      'kill',
      'kill-redis',
      'reboot',
      'restart-postgres',
      'silence',
      'slow',
      'terminate',
      'unplug',
    ]);
  });

  it('never touches Redis on the PostgreSQL back end, nor anything after its end', () => {
    const { faults, deeds } = planOf(7, 60, 'postgres', 4);
    expect(faults.filter(({ what }) => what.kind.includes('redis') || ('store' in what && what.store === 'redis'))).toEqual([]);
    expect(Math.max(...[...faults, ...deeds].map((step) => step.atMs))).toBeLessThan(60_000);
  });
});
