import { describe, expect, it } from '@jest/globals';
import { phaseOf, silentSeconds } from '../../../../src/web/store/phases.js';
import { newRate, perSecond, RATE_SECONDS, tick } from '../../../../src/web/store/rate.js';
import { formatRoute, parseRoute } from '../../../../src/web/store/route.js';
import { moveCount, NO_COUNTS, worstState } from '../../../../src/web/store/states.js';
import { agoWords, byName, cellWords, durationWords, timeOf } from '../../../../src/web/store/words.js';
import { NOW } from './board-builders.js';

describe('words', () => {
  it.each([
    [0.4, '0 s'],
    [59, '59 s'],
    [61, '1 min'],
    [3660, '1 h 01'],
    [90_000, '1 d'],
  ])('says %f seconds as %s', (seconds, words) => expect(durationWords(seconds)).toBe(words));

  it('does not say that something happened in the future when the clocks differ', () => {
    expect(agoWords(NOW + 4000, NOW)).toBe('just now');
    expect(agoWords(NOW - 12_000, NOW)).toBe('12 s ago');
    expect(agoWords(null, NOW)).toBe('never');
  });

  it('reads no time out of nonsense', () => expect([timeOf('soon'), timeOf(null), timeOf('')]).toEqual([null, null, null]));

  it('says in a cell what its run does, and of a waiting run what it waits for', () => {
    expect(cellWords('ACTIVE', null)).toBe('active');
    expect(cellWords('TRANSITION', null)).toBe('transition');
    expect(cellWords('TRANSITION', { status: 'RUNNING' })).toBe('running');
    expect(cellWords('TRANSITION', { status: 'WAITING', wait_key: 'install:17' })).toBe('installing');
    expect(cellWords('TRANSITION', { status: 'WAITING', wait_key: 'brand-new:1' })).toBe('waiting');
  });

  it('sorts names as people count', () => expect(['node-10', 'node-9', 'Node-1'].toSorted(byName)).toEqual(['Node-1', 'node-9', 'node-10']));
});

describe('boot phases', () => {
  it('calls a boot silent only after the patience of its phase', () => {
    const { patienceSeconds } = phaseOf('tftp');
    expect(silentSeconds('tftp', NOW - patienceSeconds * 1000, NOW)).toBeNull();
    expect(silentSeconds('tftp', NOW - (patienceSeconds + 1) * 1000, NOW)).toBe(patienceSeconds + 1);
  });

  it.each(['disk', 'agent', 'off', 'unseen', 'a-phase-of-the-future'])('takes silence in %s for rest', (phase) => {
    expect(silentSeconds(phase, 0, NOW)).toBeNull();
  });
});

describe('transitions per second', () => {
  it('is a mean of the last finished seconds', () => {
    let rate = newRate(NOW);
    for (let second = 0; second < 5; second += 1) rate = tick(rate, NOW + second * 1000, 10);
    expect(perSecond(tick(rate, NOW + 5000, 999))).toBe(10);
  });

  it('falls to nothing when nothing moves, however long the page slept', () => {
    const rate = tick(tick(newRate(NOW), NOW, 50), NOW + 3_600_000, 0);
    expect(rate.counts).toEqual(Array.from({ length: RATE_SECONDS }, () => 0));
  });

  it('takes a clock that goes back without losing its place', () => {
    expect(tick(newRate(NOW), NOW - 10_000, 3).counts.at(-1)).toBe(3);
  });
});

describe('routes', () => {
  it.each(['#/fleet', '#/fleet?node=12', '#/deployment/demo', '#/deployment/demo?noderole=4', '#/deployment/a%2Fb%20c'])('writes %s as it was read', (hash) => {
    expect(formatRoute(parseRoute(hash))).toBe(hash);
  });

  it.each(['', '#', '#/', '#/nothing', '#/deployment/'])('takes %j for home', (hash) => expect(parseRoute(hash).page).toBe('home'));

  it('survives a hand-edited address', () => {
    expect(parseRoute('#/deployment/%E0%A4%A?node=-1').panel).toBeNull();
    expect(parseRoute('#/fleet?noderole=<script>').panel).toBeNull();
  });
});

describe('states', () => {
  it('lets an error catch the eye before anything else', () => {
    expect(worstState({ ...NO_COUNTS, ACTIVE: 90, TRANSITION: 4, ERROR: 1 })).toBe('ERROR');
    expect(worstState({ ...NO_COUNTS, ACTIVE: 1 })).toBe('ACTIVE');
    expect(worstState(NO_COUNTS)).toBeNull();
  });

  it('counts a noderole that appears and one that goes', () => {
    expect(moveCount(NO_COUNTS, null, 'PROPOSED').PROPOSED).toBe(1);
    expect(moveCount({ ...NO_COUNTS, TODO: 1 }, 'TODO', null)).toEqual(NO_COUNTS);
  });
});
