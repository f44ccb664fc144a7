/** Data against the attribs of its role: what is refused, in which words; and what nobody is shown. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { acceptData } from '../../../src/attribs/accept.js';
import type { Attrib } from '../../../src/attribs/names.js';
import { problemOfSchema, problemsOfData, problemsOfWall } from '../../../src/attribs/schema.js';
import { MASK, maskData, maskText, secretsIn, unmaskData } from '../../../src/attribs/secrets.js';
import { parseBarclamp } from '../../../src/roles/load.js';

const attribs: Attrib[] = [
  { name: 'port', schema: { type: 'integer', minimum: 1 } },
  { name: 'mode', schema: { enum: ['fast', 'safe'] } },
  { name: 'net', schema: { type: 'object', properties: { mtu: { type: 'integer' } }, additionalProperties: false, required: ['mtu'] } },
  { name: 'free' },
  { name: 'password', schema: { type: 'string', writeOnly: true } },
  {
    name: 'users',
    schema: { type: 'array', items: { type: 'object', properties: { name: { type: 'string' }, key: { type: 'string', format: 'password' } } } },
  },
];
const role = { name: 'database', attribs };

describe('data off its schema', () => {
  it.each([
    ['a wrong type', { port: 'x' }, 'data.port', 'must be integer'],
    ['a value out of bounds', { port: 0 }, 'data.port', 'must be >= 1'],
    ['none of an enum', { mode: 'slow' }, 'data.mode', 'must be one of "fast", "safe"'],
    ['a wrong part of an object', { net: { mtu: 'x' } }, 'data.net.mtu', 'must be integer'],
    ['a key too many', { net: { mtu: 1, mtv: 2 } }, 'data.net', "has a key 'mtv' that the schema does not know; leave it out"],
    ['a key too few', { net: {} }, 'data.net', "lacks the key 'mtu'; add it"],
    ['an element of a list', { users: [{ name: 'a' }, { name: 1 }] }, 'data.users.1.name', 'must be string'],
    ['a misspelt attrib', { prot: 1 }, 'data.prot', "role 'database' has no attrib 'prot'; did you mean 'port'?"],
    ['an attrib of nobody', { xyzzy: 1 }, 'data.xyzzy', "role 'database' has no attrib 'xyzzy'; it has: port, mode, net, free, password, users"],
    ['a name of Prybar', { parents: {} }, 'data.parents', "'parents' is a name that Prybar fills itself in the inputs of a run; choose another"],
  ])('%s is refused, naming the field, what is wrong and the fix', (_what, data, field, message) => {
    expect(problemsOfData(role, data)).toEqual([{ field, message }]);
    expect(() => acceptData(role, data, {})).toThrow(expect.objectContaining({ code: 'validation-failed', problems: [{ field, message }] }));
  });

  it('is told of every field at once', () => {
    expect(problemsOfData(role, { port: 'x', mode: 1, prot: 1 }).map(({ field }) => field)).toEqual(['data.port', 'data.mode', 'data.prot']);
  });

  it('is not looked for when the role declares no attribs, or no schema for one', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-m]+$/), fc.jsonValue()),
        (data) => problemsOfData({ name: 'r', attribs: [] }, data as never).length === 0,
      ),
    );
    expect(problemsOfData(role, { free: [{}] })).toEqual([]);
  });

  it('in a wall is what declared attribs do not allow; a wall may hold more than those', () => {
    expect(problemsOfWall(attribs, { anything: 1, port: 1 })).toEqual([]);
    expect(problemsOfWall(attribs, { port: 'x' })).toEqual([{ field: 'wall.port', message: 'must be integer' }]);
  });

  it('a schema that is none is refused, a misspelt keyword too', () => {
    expect(problemOfSchema({ type: 'integer' })).toBeNull();
    expect(problemOfSchema({ type: 'intiger' })).toMatch(/type/);
    expect(problemOfSchema({ typ: 'integer' })).toMatch(/unknown keyword: "typ"/);
  });

  it.each([
    ['a template off the schema', { attribs: [{ name: 'port', schema: { type: 'integer' } }], template: { port: 'x' } }, /template.port: must be integer/],
    ['a template of an unknown attrib', { attribs: [{ name: 'port' }], template: { prot: 1 } }, /did you mean 'port'/],
    ['two wants at one place', { wants_attribs: ['a/port', 'b/port'] }, /two attribs would be put at 'port'; give one of them another place with 'at'/],
    ['an attrib named as what Prybar fills', { attribs: [{ name: 'node' }] }, /a name that Prybar fills itself/],
  ])('%s is refused at import', (_what, more, message) => {
    expect(() => parseBarclamp(JSON.stringify({ barclamp: { name: 'b' }, roles: [{ name: 'r', jig: 'noop', ...more }] }), 'b')).toThrow(message);
  });
});

describe('secrets', () => {
  const data = { port: 1, password: 'hunter22', users: [{ name: 'a', key: 'k-1234' }, { name: 'b' }] };

  it('are shown as ***, at any depth, and nothing else is', () => {
    expect(maskData(attribs, data)).toEqual({ port: 1, password: MASK, users: [{ name: 'a', key: MASK }, { name: 'b' }] });
  });

  it('that come back as *** stay what they were', () => {
    expect(unmaskData(attribs, { ...maskData(attribs, data), port: 2 }, data)).toEqual({ ...data, port: 2 });
    expect(acceptData(role, { password: MASK }, {}).password).toBe(MASK);
  });

  it('do not get into logs, longest first, and short ones do not blot the log out', () => {
    expect(secretsIn(attribs, { ...data, password: 'abc' })).toEqual(['k-1234']);
    expect(maskText('login hunter22!! with k-1234', secretsIn(attribs, data))).toBe('login ***!! with ***');
    expect(maskText('hunter22long', ['hunter22', 'hunter22long'])).toBe('***');
  });
});
