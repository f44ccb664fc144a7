import { describe, expect, it } from '@jest/globals';
import { wayTo, type UpEdge } from '../../../src/annealer/way-up.js';

const edge = (via: number, id: number, state: UpEdge['state'] = 'BLOCKED'): UpEdge => ({ via, id, state });

describe('the way up from a BLOCKED noderole', () => {
  it('ends at the nearest that is at work', () =>
    expect(wayTo(1, [edge(1, 2), edge(2, 3, 'TRANSITION'), edge(1, 4), edge(4, 5), edge(5, 6, 'TODO')])).toEqual([2, 3]));
  it('prefers an ERROR, however much further up', () => expect(wayTo(1, [edge(1, 2, 'TODO'), edge(1, 3), edge(3, 4), edge(4, 5, 'ERROR')])).toEqual([3, 4, 5]));
  it('prefers what was taken back to what is at work', () => expect(wayTo(1, [edge(1, 2, 'TODO'), edge(1, 3, 'PROPOSED')])).toEqual([3]));
  it('takes the shorter of two ways to one root', () =>
    expect(wayTo(1, [edge(1, 2), edge(2, 3), edge(3, 9, 'ERROR'), edge(1, 4), edge(4, 9, 'ERROR')])).toEqual([4, 9]));
  it('is empty when nothing is pending', () => expect(wayTo(1, [])).toEqual([]));
});
