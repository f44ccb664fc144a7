import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cohorts, CycleError } from '../../../src/noderoles/graph.js';
import { hashInputs, mergeInputs, overlay } from '../../../src/noderoles/data.js';

describe('cohorts', () => {
  it('are one more than the deepest parent', () => {
    expect(
      cohorts(
        [1, 2, 3, 4],
        [
          { parent: 1, child: 2 },
          { parent: 2, child: 3 },
          { parent: 1, child: 3 },
        ],
      ),
    ).toEqual(
      new Map([
        [1, 0],
        [2, 1],
        [3, 2],
        [4, 0],
      ]),
    );
  });

  it('name the cycle they find', () => {
    expect(() =>
      cohorts(
        [1, 2, 3, 9],
        [
          { parent: 1, child: 2 },
          { parent: 2, child: 3 },
          { parent: 3, child: 1 },
        ],
      ),
    ).toThrow(CycleError);
    try {
      cohorts(
        [1, 2, 3, 9],
        [
          { parent: 1, child: 2 },
          { parent: 2, child: 3 },
          { parent: 3, child: 1 },
          { parent: 9, child: 1 },
        ],
      );
    } catch (error) {
      expect((error as CycleError).path).toHaveLength(4);
    }
  });

  it('do not overflow on a chain of 10,000', () => {
    const ids = Array.from({ length: 10_000 }, (_, i) => i);
    expect(
      cohorts(
        ids,
        ids.slice(1).map((child) => ({ parent: child - 1, child })),
      ).get(9_999),
    ).toBe(9_999);
  });

  it('rise along every edge of any acyclic graph', () => {
    const edges = fc.array(
      fc
        .tuple(fc.nat(30), fc.nat(30))
        .filter(([a, b]) => a < b)
        .map(([parent, child]) => ({ parent, child })),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(edges, (list) => {
        const result = cohorts(
          Array.from({ length: 31 }, (_, i) => i),
          list,
        );
        return list.every(({ parent, child }) => (result.get(parent) ?? 0) < (result.get(child) ?? 0));
      }),
    );
  });
});

describe('the inputs of a run', () => {
  const none = { attribs: [], template: {}, deploymentRole: {}, sysdata: {}, committed: {}, node: { id: 1, name: 'n1', arch: 'x86_64' }, parents: {} };

  it('take the noderole over the deployment role over the template over the default', () => {
    const attribs = [{ name: 'target-os', default: 'a' }];
    expect(mergeInputs({ ...none, attribs })['target-os']).toBe('a');
    expect(mergeInputs({ ...none, attribs, template: { 'target-os': 'b' } })['target-os']).toBe('b');
    expect(mergeInputs({ ...none, attribs, template: { 'target-os': 'b' }, deploymentRole: { 'target-os': 'c' } })['target-os']).toBe('c');
    expect(mergeInputs({ ...none, attribs, deploymentRole: { 'target-os': 'c' }, committed: { 'target-os': 'd' } })['target-os']).toBe('d');
  });

  it('merge objects key by key and replace everything else', () => {
    expect(overlay({ a: { x: 1, y: 1 }, b: [1] }, { a: { y: 2 }, b: [2] })).toEqual({ a: { x: 1, y: 2 }, b: [2] });
  });

  it('hash alike whatever the order of their keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse());
        return hashInputs(JSON.parse(JSON.stringify(object))) === hashInputs(JSON.parse(JSON.stringify(reversed)));
      }),
    );
  });
});
