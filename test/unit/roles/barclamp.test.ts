import { describe, expect, it } from '@jest/globals';
import { parseBarclamp } from '../../../src/roles/load.js';
import { ValidationError } from '../../../src/shared/errors.js';

const withRole = (lines: string) => `barclamp: { name: web }\nroles:\n  - name: front\n    jig: noop\n${lines.replace(/^/gm, '    ')}`;
const role = (lines: string) => parseBarclamp(withRole(lines), 'web/barclamp.yml').roles[0];

function refusal(text: string): string {
  try {
    parseBarclamp(text, 'web/barclamp.yml');
  } catch (error) {
    if (error instanceof ValidationError) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a barclamp file', () => {
  it('may write its keys with dashes or with underscores', () => {
    const dashed = role('timeout-seconds: 60\nwants-attribs: [port]\non-parent-error: stay\nbackoff-max-seconds: 30\nno-retry-on: [bad-disk]');
    expect(dashed).toEqual(role('timeout_seconds: 60\nwants_attribs: [port]\non_parent_error: stay\nbackoff_max_seconds: 30\nno_retry_on: [bad-disk]'));
    expect(dashed).toMatchObject({ timeout_seconds: 60, wants_attribs: [{ name: 'port' }], on_parent_error: 'stay', backoff_max_seconds: 30 });
  });

  it('leaves what is inside a free value as it is', () =>
    expect(role('template: { a-b: { c_d: 1 } }\njig-config: { no-such: 1 }')).toMatchObject({ template: { 'a-b': { c_d: 1 } }, jig_config: { 'no-such': 1 } }));

  it('tells short and long forms apart', () => {
    expect(role('precedes: [b, { role: c, scope: deployment }]').precedes).toEqual([
      { role: 'b', scope: 'node' },
      { role: 'c', scope: 'deployment' },
    ]);
    expect(role('wants-attribs: [port, { name: db/port, at: db.port }]').wants_attribs).toEqual([{ name: 'port' }, { name: 'db/port', at: 'db.port' }]);
    expect(role('flags: [cluster]').barrier).toBe('all');
    expect(role('flags: [cluster]\nbarrier: { quorum: 2 }').barrier).toEqual({ quorum: 2 });
  });

  it.each<[string, string, string[]]>([
    ['a key that is nearly one', withRole('require: [a]'), ['web/barclamp.yml', 'roles.0 (front).require', 'nearest is requires']],
    ['a key with dashes that is nearly one', withRole('wants-atribs: [a]'), ['roles.0 (front).wants-atribs', 'nearest is wants-attribs']],
    ['a key that is nothing we know', withRole('hammers: [a]'), ['roles.0 (front).hammers', 'known are', 'runs-in']],
    ['an unknown key of an attrib', withRole('attribs: [{ name: port, shema: {} }]'), ['attribs.0 (port).shema', 'nearest is schema']],
    ['an unknown key at the top', `${withRole('')}\nrolls: []`, ['web/barclamp.yml: rolls', 'nearest is roles']],
    ['one key in both spellings', withRole('runs-in: any\nruns_in: any'), ['runs_in', 'twice']],
    [
      'a schema that is none',
      withRole('attribs: [{ name: port, schema: { type: integr } }]'),
      ['web/barclamp.yml', '(front)', '(port).schema', 'not a JSON Schema'],
    ],
    ['a schema with a misspelt keyword', withRole('attribs: [{ name: port, schema: { maximun: 5 } }]'), ['(port).schema', 'maximun']],
    ['a default off its schema', withRole('attribs: [{ name: port, default: x, schema: { type: integer } }]'), ['(port).default', 'integer']],
    ['an attrib declared twice', withRole('attribs: [{ name: port }, { name: port }]'), ['attribs', "'port' twice"]],
    ['a role defined twice', `${withRole('')}\n  - { name: front, jig: noop }`, ['roles.1 (front).name', 'twice']],
    ['a conflict with itself', withRole('conflicts: [front]'), ['(front).conflicts', 'itself']],
    ['a requirement of itself', withRole('requires: [front]'), ['(front).requires', 'itself']],
    ['itself as successor', withRole('precedes: [front]'), ['(front).precedes', 'itself']],
    ['a barrier without a cluster', withRole('barrier: { quorum: 2 }'), ['(front).barrier', 'cluster']],
    ['a quorum of none', withRole('flags: [cluster]\nbarrier: { quorum: 0 }'), ['(front).barrier']],
    ['an unknown flag', withRole('flags: [implict]'), ['(front).flags.0', 'implicit']],
    ['an abstract role that is to be bound by itself', withRole('flags: [abstract, bootstrap]'), ['(front).flags', 'provides it']],
    ['a name that is a number', withRole('').replace('front', '"12"'), ['number']],
    ['a name of a barrier', withRole('').replace('front', 'barrier-x'), ['barrier-']],
    ['a longest pause below the first', withRole('backoff-seconds: 9\nbackoff-max-seconds: 3'), ['backoff_max_seconds', 'less']],
    ['a key written twice', withRole('runs-in: any\nruns-in: any'), ['web/barclamp.yml', 'unique']],
    ['more aliases than anybody writes', `a: &a [x, x]\nb: &b [${'*a,'.repeat(40)}]\nc: [${'*b,'.repeat(40)}]`, ['web/barclamp.yml']],
    ['no mapping at all', '- 1\n- 2', ['web/barclamp.yml']],
    ['nothing', '', ['web/barclamp.yml']],
  ])('is refused with its place for %s', (_case, text, words) => {
    const message = refusal(text);
    for (const word of words) expect(message).toContain(word);
  });
});
