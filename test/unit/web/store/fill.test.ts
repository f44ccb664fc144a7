import { describe, expect, it } from '@jest/globals';
import { fillOf } from '../../../../src/web/store/fill.js';
import { formatRoute, parseRoute } from '../../../../src/web/store/route.js';

describe('how full a range is', () => {
  it.each([
    [{ size: 100, allocated: 10, leased: 20 }, 30, 'calm', '10 own, 20 leased, 70 free'],
    [{ size: 100, allocated: 60, leased: 25 }, 85, 'warn', '60 own, 25 leased, 15 free'],
    [{ size: 4, allocated: 2, leased: 2 }, 100, 'bad', '2 own, 2 leased, 0 free'],
    // More than there are: addresses that were given before the range shrank.
    [{ size: 2, allocated: 3, leased: 0 }, 100, 'bad', '3 own, 0 leased, 0 free'],
    [{ size: 0, allocated: 0, leased: 0 }, 0, 'bad', '0 own, 0 leased, 0 free'],
  ])('%j', (range, percent, tone, words) => {
    expect(fillOf(range)).toMatchObject({ percent, tone, words });
  });

  it('has a page of its own, where a link leads to', () => {
    const route = { page: 'networks', deployment: '', panel: null } as const;
    expect(parseRoute(formatRoute(route))).toEqual(route);
  });
});
