import { describe, expect, it } from '@jest/globals';
import { valueChanges } from '../../../src/deployments/plan-data.js';

const SECRET = [
  { name: 'password', schema: { type: 'string', writeOnly: true } },
  { name: 'db', schema: { properties: { key: { writeOnly: true } } } },
];

describe('values that change', () => {
  it.each([
    ['a value', { port: 80 }, { port: 81 }, [{ path: 'port', before: 80, after: 81 }]],
    ['one that comes', {}, { port: 81 }, [{ path: 'port', after: 81 }]],
    ['one that goes', { port: 80 }, {}, [{ path: 'port', before: 80 }]],
    ['nothing', { a: { b: [1, { c: 2 }] } }, { a: { b: [1, { c: 2 }] } }, []],
    ['a part of an object', { a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, [{ path: 'a.c', before: 2, after: 3 }]],
    ['a list, as a whole', { a: [1, 2] }, { a: [1] }, [{ path: 'a', before: [1, 2], after: [1] }]],
    ['an object that becomes a value', { a: { b: 1 } }, { a: 1 }, [{ path: 'a', before: { b: 1 }, after: 1 }]],
    ['null, which is not absent', { a: null }, {}, [{ path: 'a', before: null }]],
    ['an empty object that comes', {}, { a: {} }, [{ path: 'a', after: {} }]],
  ] as const)('tells of %s', (_what, before, after, expected) => {
    expect(valueChanges([], structuredClone(before) as never, structuredClone(after) as never)).toEqual(expected);
  });

  it('shows no secret, but that it changed', () => {
    expect(valueChanges(SECRET, { password: 'a', db: { key: 'k', host: 'x' } }, { password: 'b', db: { key: 'l', host: 'x' } })).toEqual([
      { path: 'db.key', before: '***', after: '***' },
      { path: 'password', before: '***', after: '***' },
    ]);
  });

  it('is not fooled by the names of Object.prototype', () => {
    expect(valueChanges([], {}, { constructor: 1 })).toEqual([{ path: 'constructor', after: 1 }]);
  });
});
