/**
 * What runs of a batch are given, and how it is stored. Thousands of runs are of few roles, and most have nothing but what their
 * role gives them: that is merged and written once for a batch. The merge itself: src/noderoles/data.ts. PURE.
 */
import { addOwn, canonical, freezeInputs, hashText, type DataSources } from '../noderoles/data.js';
import { isJsonObject, type JsonObject } from '../shared/json.js';
import type { Row, RoleRow, RunRow } from './start-read.js';

/** `text`: the inputs as JSON, `from` where each value came from, the same; null when there is nothing to tell. */
export type Frozen = { inputs: JsonObject; text: string; hash: string; from: string | null };

export class Freezer {
  private readonly ofRole = new Map<RoleRow, { merged: JsonObject; from: string | null }>();
  private readonly texts = new WeakMap<object, string>();

  freeze(row: Row): Frozen {
    const { run, role } = row;
    if (run.inputs !== null) return this.frozen(run.inputs, null);
    if (!hasOnlyItsRole(run)) {
      const { inputs, from } = freezeInputs(sourcesOf(row));
      return this.frozen(inputs, from && JSON.stringify(from));
    }
    const { merged, from } = this.ofRole.get(role) ?? this.read(row);
    return this.frozen(addOwn(ownOf(run), merged), from);
  }

  private frozen(inputs: JsonObject, from: string | null): Frozen {
    const text = canonical(inputs, this.texts);
    return { inputs, text, hash: hashText(text), from };
  }

  private read(row: Row): { merged: JsonObject; from: string | null } {
    const { inputs, from } = freezeInputs(sourcesOf(row));
    const { node: _node, parents: _parents, ...merged } = inputs;
    for (const value of Object.values(merged)) if (isJsonObject(value)) this.texts.set(value, canonical(value));
    const shared = { merged, from: from && JSON.stringify(from) };
    this.ofRole.set(row.role, shared);
    return shared;
  }
}

/** Whether no bucket but its role's has anything for it. */
function hasOnlyItsRole({ parents, wanted, deployment_data, deployment_wall, sysdata, committed_data }: RunRow): boolean {
  return (wanted === null || wanted.length === 0) && [parents, deployment_data, deployment_wall, sysdata, committed_data].every(isEmpty);
}

function isEmpty(object: object | null): boolean {
  for (const _key in object) return false;
  return true;
}

const ownOf = (run: RunRow): Pick<DataSources, 'node' | 'parents'> => ({
  node: { id: run.node_id, name: run.node_name, arch: run.node_arch },
  parents: run.parents,
});

function sourcesOf({ run, role }: Row): DataSources {
  return {
    ...ownOf(run),
    attribs: role.attribs,
    template: role.template,
    deploymentRole: run.deployment_data ?? {},
    deploymentRoleRevisions: run.deployment_revisions ?? {},
    deploymentRoleWall: run.deployment_wall ?? {},
    sysdata: run.sysdata,
    committed: run.committed_data,
    revisions: run.revisions,
    wanted: run.wanted ?? [],
  };
}
