import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { roleCohorts, type RoleGraph } from '../../../src/roles/graph.js';

const DEEP = 10_000;
const chain = (length: number): RoleGraph => new Map(Array.from({ length }, (_, index) => [`r${index}`, index === 0 ? [] : [`r${index - 1}`]]));

describe('roleCohorts', () => {
  it('gives a role one more than the deepest of those it comes after', () => {
    const graph = new Map([
      ['a', []],
      ['b', ['a']],
      ['c', ['a', 'b']],
      ['d', ['not-there']],
    ]);
    expect(roleCohorts(graph)).toEqual({ cohorts: new Map(Object.entries({ a: 0, b: 1, c: 2, d: 0 })) });
  });

  it('takes a chain of 10,000 roles from either end', () => {
    for (const graph of [chain(DEEP), new Map([...chain(DEEP)].reverse())]) {
      const answer = roleCohorts(graph);
      expect('cohorts' in answer && answer.cohorts.get(`r${DEEP - 1}`)).toBe(DEEP - 1);
    }
  });

  it('returns a cycle of 10,000 roles as its path', () => {
    const answer = roleCohorts(new Map([...chain(DEEP), ['r0', [`r${DEEP - 1}`]]]));
    expect('cycle' in answer && answer.cycle).toHaveLength(DEEP + 1);
  });

  it('orders every graph without cycles by its edges, and in one with cycles returns a real one', () => {
    const graphs = fc.array(fc.array(fc.nat(11), { maxLength: 3 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(graphs, (edges) => {
        const graph: RoleGraph = new Map(edges.map((before, index) => [`r${index}`, before.map((other) => `r${other}`)]));
        const answer = roleCohorts(graph);
        if ('cycle' in answer) {
          expect(answer.cycle[0]).toBe(answer.cycle.at(-1));
          answer.cycle.slice(0, -1).forEach((role, index) => expect(graph.get(role)).toContain(answer.cycle[index + 1]));
          return;
        }
        for (const [role, before] of graph)
          for (const other of before) if (graph.has(other)) expect(answer.cohorts.get(role)).toBeGreaterThan(answer.cohorts.get(other) ?? -1);
      }),
    );
  });
});
