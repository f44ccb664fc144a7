/** The merge of buckets and the provenance of what it gives: properties over random data. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { layersOf, NODE_ROLE_BUCKETS, OWN_INPUT_BUCKETS, type NodeRoleBucket } from '../../../src/attribs/buckets.js';
import { objectAt, pathKeys, valueAt, withoutValueAt, withValueAt } from '../../../src/attribs/names.js';
import { merge, originsOf, overlay, type Origin } from '../../../src/attribs/overlay.js';
import { provenanceOf, sourcesOf, type Layer } from '../../../src/attribs/provenance.js';
import type { Wanted } from '../../../src/attribs/wanted.js';
import { freezeInputs, hashInputs, mergeInputs, type DataSources } from '../../../src/noderoles/data.js';
import { isJsonObject, type Json, type JsonObject } from '../../../src/shared/json.js';

// Few keys, so that layers meet; the ones that objects have by themselves among them.
const key = fc.constantFrom('a', 'b', 'c', 'constructor', '__proto__');
const { data } = fc.letrec<{ data: JsonObject; value: Json }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, fc.constantFrom<Json>(1, 'x', null, true, [], {}, [{ a: 1 }]), fc.integer({ min: 0, max: 3 }), tie('data')),
  data: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
}));
const layers = fc.array(data, { maxLength: 6 });

/** Every value that is no object with something in it, with the way to it. */
function leaves(value: Json, path: string[] = []): { path: string[]; value: Json }[] {
  if (!isJsonObject(value) || Object.keys(value).length === 0) return path.length === 0 ? [] : [{ path, value }];
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, [...path, name]));
}

function originAt(origins: Record<string, Origin>, path: readonly string[]): number {
  let here: Origin = origins;
  for (const name of path) {
    if (typeof here === 'number') return here;
    if (!Object.hasOwn(here, name)) throw new Error(`no origin at ${path.join('.')}`);
    here = here[name];
  }
  if (typeof here !== 'number') throw new Error(`several origins at ${path.join('.')}`);
  return here;
}

describe('the merge of buckets', () => {
  it('is the fold of their overlays, low to high', () => {
    fc.assert(fc.property(layers, (list) => expect(merge(list)).toEqual(list.reduce<JsonObject>(overlay, {}))));
  });

  it('changes none of what it merges', () => {
    fc.assert(
      fc.property(layers, (list) => {
        const before = JSON.stringify(list);
        merge(list);
        originsOf(list);
        return JSON.stringify(list) === before;
      }),
    );
  });

  it('gives the value of the highest bucket that says it, in the order of engine.md 1.5', () => {
    const names: NodeRoleBucket[] = [...NODE_ROLE_BUCKETS];
    fc.assert(
      fc.property(fc.subarray(names, { minLength: 1 }), (chosen) => {
        const merged = merge(layersOf(NODE_ROLE_BUCKETS, Object.fromEntries(chosen.map((bucket) => [bucket, { port: bucket }]))));
        return merged.port === chosen.at(-1);
      }),
    );
    expect(OWN_INPUT_BUCKETS).toEqual(NODE_ROLE_BUCKETS.filter((bucket) => bucket !== 'noderole.wall'));
  });
});

describe('provenance', () => {
  it('always names the container whose value it is', () => {
    fc.assert(
      fc.property(layers, (list) => {
        const origins = originsOf(list);
        for (const { path, value } of leaves(merge(list))) expect(valueAt(list[originAt(origins, path)] ?? {}, path)).toEqual(value);
      }),
    );
  });

  it('names no container above which another one says the same path', () => {
    fc.assert(
      fc.property(layers, (list) => {
        const origins = originsOf(list);
        for (const { path, value } of leaves(merge(list))) {
          if (isJsonObject(value)) continue;
          const above = list.slice(originAt(origins, path) + 1);
          expect(above.filter((layer) => valueAt(layer, path) !== undefined)).toEqual([]);
        }
      }),
    );
  });

  it('tells for each attrib which revision committed it, and which run left it', () => {
    const list: Layer[] = [
      { bucket: 'role.template', data: { port: 1, net: { a: 1, b: 1 } } },
      { bucket: 'noderole.wall', data: { port: 2 }, run: 7 },
      { bucket: 'noderole.committed', data: { net: { b: 2 }, name: 'x' }, revisions: { net: 3, name: 5 } },
    ];
    const provenance = provenanceOf(list);
    expect(sourcesOf(provenance, 'port')).toEqual([{ path: [], source: { bucket: 'noderole.wall', run: 7 } }]);
    expect(sourcesOf(provenance, 'name')).toEqual([{ path: [], source: { bucket: 'noderole.committed', revision: 5 } }]);
    expect(sourcesOf(provenance, 'net')).toEqual([
      { path: ['a'], source: { bucket: 'role.template' } },
      { path: ['b'], source: { bucket: 'noderole.committed', revision: 3 } },
    ]);
  });
});

describe('the inputs of a run', () => {
  const none: DataSources = {
    attribs: [],
    template: {},
    deploymentRole: {},
    sysdata: {},
    committed: {},
    node: { id: 1, name: 'n1', arch: 'x86_64' },
    parents: {},
  };
  const wanted = (at: string, buckets: Wanted['buckets']): Wanted => ({ at, noderole: 'db@n2', buckets, wall_run: 9, revision: 4, deployment_revision: 2 });

  it('put a wanted attrib at its path, over the template and under what is committed, and say whose it is', () => {
    const sources = {
      ...none,
      template: { db: { port: 1, user: 'me' } },
      committed: { extra: true },
      revisions: { extra: 6 },
      wanted: [wanted('db/port', { 'attrib.default': 5432, 'noderole.wall': 6543 })],
    };
    const { inputs, from } = freezeInputs(sources);
    expect(inputs).toMatchObject({ db: { port: 6543, user: 'me' }, extra: true });
    expect(sourcesOf(from ?? { sources: [], of: {} }, 'db')).toEqual(
      expect.arrayContaining([
        { path: ['port'], source: { bucket: 'noderole.wall', noderole: 'db@n2', run: 9 } },
        { path: ['user'], source: { bucket: 'role.template' } },
      ]),
    );
    expect(mergeInputs({ ...sources, committed: { db: { port: 1 } } }).db).toEqual({ port: 1, user: 'me' });
  });

  it('tell the parts of a wanted object apart, above and below the path it is put at', () => {
    const buckets = { 'role.template': { x: 1, y: 1 }, 'noderole.committed': { y: 2 } };
    const { inputs, from } = freezeInputs({ ...none, wanted: [wanted('a.b', buckets)], committed: { a: { b: { z: 3 } } } });
    expect(inputs.a).toEqual({ b: { x: 1, y: 2, z: 3 } });
    const told = Object.fromEntries(sourcesOf(from ?? { sources: [], of: {} }, 'a').map(({ path, source }) => [path.join('.'), source]));
    expect(told).toEqual({
      'b.x': { bucket: 'role.template', noderole: 'db@n2' },
      'b.y': { bucket: 'noderole.committed', noderole: 'db@n2', revision: 4 },
      'b.z': { bucket: 'noderole.committed' },
    });
  });

  it('say nothing of a wanted attrib that nobody gives a value', () => {
    expect(freezeInputs({ ...none, wanted: [wanted('port', {})] })).toEqual({ inputs: { node: none.node, parents: {} }, from: null });
  });

  it('are those that the merge alone gives, with the same hash', () => {
    fc.assert(
      fc.property(data, data, data, (template, deploymentRole, committed) => {
        const sources = { ...none, template, deploymentRole, committed, parents: { 'p@n1': { wall: { a: 1 }, run: 3 } } };
        expect(hashInputs(freezeInputs(sources).inputs)).toBe(hashInputs(mergeInputs(sources)));
      }),
    );
  });
});

describe('paths', () => {
  it('read back what was written at them, and nothing after it was taken away', () => {
    fc.assert(
      fc.property(data, fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }), (object, path) => {
        expect(valueAt(withValueAt(object, path, 'here'), path)).toBe('here');
        expect(valueAt(withoutValueAt(object, path), path)).toBeUndefined();
        expect(valueAt(objectAt(path, 'here') as JsonObject, path)).toBe('here');
      }),
    );
    expect(pathKeys('cpu/count')).toEqual(['cpu', 'count']);
    expect(pathKeys('cpu.count')).toEqual(['cpu', 'count']);
  });
});
