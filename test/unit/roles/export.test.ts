import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { barclampDocument, barclampYaml } from '../../../src/roles/export.js';
import { loadBarclamps, parseBarclamp, readBarclamp } from '../../../src/roles/load.js';
import { roleFlags, type BarclampDefinition } from '../../../src/roles/role.js';

const again = (definition: BarclampDefinition): BarclampDefinition => parseBarclamp(barclampYaml(definition), 'again');

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const names = fc.uniqueArray(name, { maxLength: 3 });
/** Texts that YAML takes for something else when they are not quoted, and some that hold what it gives a meaning to. */
const text = fc.oneof(
  fc.constantFrom('yes', 'null', '1', '~', ' x ', '- a', '#!/bin/sh\necho a\n', 'a: b', '\t', '"', "it's", '{}', '&a', '*a', '!x'),
  fc.string(),
);
const role = fc.record(
  {
    name: fc.constant('self'),
    jig: name,
    description: text,
    flags: fc.uniqueArray(fc.constantFrom(...roleFlags.filter((flag) => flag !== 'cluster' && flag !== 'abstract')), { maxLength: 3 }),
    requires: names,
    attaches: names,
    provides: names,
    conflicts: names,
    precedes: fc.array(fc.record({ role: name, scope: fc.constantFrom('node', 'deployment') }), { maxLength: 2 }),
    wants_attribs: fc.uniqueArray(fc.record({ name, at: fc.constantFrom('a', 'a.b') }, { requiredKeys: ['name'] }), {
      maxLength: 2,
      selector: (wanted) => wanted.at ?? wanted.name,
    }),
    template: fc.dictionary(fc.stringMatching(/^[A-Z_.-]{1,6}$/), fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null))),
    jig_config: fc.record({ script: text }, { requiredKeys: [] }),
    timeout_seconds: fc.integer({ min: 1, max: 86_400 }),
    backoff_max_seconds: fc.integer({ min: 5, max: 86_400 }),
    no_retry_on: fc.array(fc.stringMatching(/^[a-z-]{1,8}$/), { maxLength: 2 }),
    hooks: fc.array(fc.constantFrom('onActive', 'onError'), { maxLength: 2 }),
    validity: fc.constantFrom('always', 'install', 'boot'),
  },
  { requiredKeys: ['name', 'jig'] },
);

describe('a barclamp written as its file', () => {
  it('reads back as the same definitions, whatever they hold', () => {
    fc.assert(
      fc.property(role, (content) => {
        fc.pre(!JSON.stringify([content.requires, content.attaches, content.provides, content.conflicts, content.precedes]).includes('"self"'));
        const definition = readBarclamp({ barclamp: { name: 'x', version: '1.10' }, roles: [content] }, 'first');
        expect(again(definition)).toEqual(definition);
        expect(readBarclamp(barclampDocument(definition), 'document')).toEqual(definition);
      }),
    );
  });

  it('does so for all that ship with Prybar, and says nothing that goes without saying', async () => {
    for (const definition of await loadBarclamps('src/roles/catalog')) {
      expect(again(definition)).toEqual(definition);
      expect(barclampYaml(definition)).not.toMatch(/_seconds|runs-in: any|requires: \[\]/);
    }
  });

  it('keeps the quorum of a cluster', () => {
    const definition = parseBarclamp('barclamp: { name: x }\nroles: [{ name: a, jig: noop, flags: [cluster], barrier: { quorum: 3 } }]', 'x');
    expect(barclampYaml(definition)).toBe(
      'barclamp:\n  name: x\n  version: "1"\nroles:\n  - name: a\n    jig: noop\n    flags:\n      - cluster\n    barrier:\n      quorum: 3\n',
    );
    expect(again(definition)).toEqual(definition);
  });
});
