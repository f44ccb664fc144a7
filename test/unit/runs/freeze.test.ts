import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashInputs, mergeInputs } from '../../../src/noderoles/data.js';
import { Freezer } from '../../../src/runs/freeze.js';
import { nothingMore, type MoreRow, type RoleRow, type Row } from '../../../src/runs/start-read.js';
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

const rowOf = (id: number, of: RoleRow, own: Partial<MoreRow> = {}): Row => ({
  run: {
    id,
    fence: 1,
    attempt: 1,
    jig: 'noop',
    noderole_id: id,
    role_id: 7,
    want_gen: 0,
    pending_parents: 0,
    slack: 0,
    node_id: id,
    node_name: `n${id}`,
    node_arch: 'x86_64',
    node_kind: 'machine',
    boot_epoch: 0,
  },
  more: { ...nothingMore(), ...own },
  role: of,
});

const merged = ({ run, more, role: of }: Row) =>
  mergeInputs({
    attribs: of.attribs,
    template: of.template,
    deploymentRole: more.deployment_data ?? {},
    sysdata: more.sysdata,
    committed: more.committed_data,
    node: { id: run.node_id, name: run.node_name, arch: run.node_arch },
    parents: more.parents,
  });

describe('what a batch of runs is given', () => {
  it('is for each what it would be given alone, whatever it shares with the others', () => {
    fc.assert(
      fc.property(data, data, data, (template, deploymentData, committed) => {
        const freezer = new Freezer();
        const of = role(template);
        const owns: Partial<MoreRow>[] = [{}, { deployment_data: {} }, { committed_data: committed }, { deployment_data: deploymentData }, {}];
        const walls = { 'p@n': { wall: { x: 1 }, run: 4 } };
        for (const [index, own] of [...owns, { parents: walls }].entries()) {
          const row = rowOf(index + 1, of, own);
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
    for (const id of [1, 2]) expect(JSON.parse(freezer.freeze(rowOf(id, of)).from ?? '')).toEqual({ sources, of: { size: 0, os: 1 } });
    const frozen = { os: 'rocky', node: { id: 9 }, parents: {} };
    expect(freezer.freeze(rowOf(3, of, { inputs: frozen }))).toMatchObject({ inputs: frozen, from: null, hash: hashInputs(frozen) });
  });
});
