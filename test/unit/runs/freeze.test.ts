import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashInputs, mergeInputs } from '../../../src/noderoles/data.js';
import { Freezer } from '../../../src/runs/freeze.js';
import type { RoleRow, Row, RunRow } from '../../../src/runs/start-read.js';
import type { JsonObject } from '../../../src/shared/json.js';

const data = fc.dictionary(fc.constantFrom('a', 'node', 'ü"', 'parents', 'z', '__proto__'), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 4,
}) as fc.Arbitrary<JsonObject>;

const role = (template: JsonObject): RoleRow => ({
  role_id: 7,
  role_name: 'r',
  template,
  attribs: [{ name: 'size', default: 3 }],
  jig_config: {},
  timeout_seconds: 60,
  validity: 'boot',
  destructive: false,
});

const run = (id: number, own: Partial<RunRow>): RunRow => ({
  id,
  fence: 1,
  attempt: 1,
  jig: 'noop',
  inputs: null,
  memo: {},
  wake_reason: null,
  expected_boot: null,
  noderole_id: id,
  role_id: 7,
  want_gen: 0,
  pending_parents: 0,
  slack: 0,
  last_ok_hash: null,
  last_ok_epoch: null,
  force_run: false,
  installed: false,
  committed_data: {},
  sysdata: {},
  revisions: {},
  deployment_data: null,
  deployment_revisions: null,
  deployment_wall: null,
  node_id: id,
  node_name: `n${id}`,
  node_arch: 'x86_64',
  node_kind: 'machine',
  boot_epoch: 0,
  parents: {},
  wanted: null,
  ...own,
});

const merged = ({ run: row, role: of }: Row) =>
  mergeInputs({
    attribs: of.attribs,
    template: of.template,
    deploymentRole: row.deployment_data ?? {},
    sysdata: row.sysdata,
    committed: row.committed_data,
    node: { id: row.node_id, name: row.node_name, arch: row.node_arch },
    parents: row.parents,
  });

describe('what a batch of runs is given', () => {
  it('is for each what it would be given alone, whatever it shares with the others', () => {
    fc.assert(
      fc.property(data, data, data, (template, deploymentData, committed) => {
        const freezer = new Freezer();
        const of = role(template);
        const owns: Partial<RunRow>[] = [{}, { deployment_data: {} }, { committed_data: committed }, { deployment_data: deploymentData }, {}];
        const walls = { 'p@n': { wall: { x: 1 }, run: 4 } };
        for (const [index, own] of [...owns, { parents: walls }].entries()) {
          const row = { run: run(index + 1, own), role: of };
          const { inputs, text, hash } = freezer.freeze(row);
          expect(inputs).toEqual(merged(row));
          expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(inputs)));
          expect(hash).toBe(hashInputs(merged(row)));
        }
      }),
    );
  });

  it('says where each value came from, and is left as it was once it is frozen', () => {
    const freezer = new Freezer();
    const of = role({ os: 'debian' });
    const sources = [{ bucket: 'attrib.default' }, { bucket: 'role.template' }];
    for (const id of [1, 2]) expect(JSON.parse(freezer.freeze({ run: run(id, {}), role: of }).from ?? '')).toEqual({ sources, of: { size: 0, os: 1 } });
    const frozen = { os: 'rocky', node: { id: 9 }, parents: {} };
    expect(freezer.freeze({ run: run(3, { inputs: frozen }), role: of })).toMatchObject({ inputs: frozen, from: null, hash: hashInputs(frozen) });
  });
});
