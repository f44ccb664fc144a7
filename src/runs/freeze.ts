/**
 * What runs of a batch are given, and how it is stored. Thousands of runs are of few roles, and most have nothing but what their
 * role gives them: that is merged and written once for a batch. The merge itself: src/noderoles/data.ts. PURE.
 */
import { addOwn, canonical, freezeInputs, hashText, type DataSources } from '../noderoles/data.js';
import { isJsonObject, type JsonObject } from '../shared/json.js';
import type { MoreRow, Row, RoleRow } from './start-read.js';

/** `text`: the inputs as JSON, `from` where each value came from, the same; null when there is nothing to tell. */
export type Frozen = { inputs: JsonObject; text: string; hash: string; from: string | null };

export class Freezer {
  private readonly ofRole = new Map<RoleRow, { merged: JsonObject; from: string | null }>();
  private readonly texts = new WeakMap<object, string>();

  freeze(row: Row): Frozen {
    const { more, role } = row;
    if (more.inputs !== null) return this.frozen(more.inputs, null);
    if (!hasOnlyItsRole(more)) {
      const { inputs, from } = freezeInputs(sourcesOf(row));
      return this.frozen(inputs, from && JSON.stringify(from));
    }
    const { merged, from } = this.ofRole.get(role) ?? this.read(row);
    return this.frozen(addOwn(ownOf(row), merged), from);
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
function hasOnlyItsRole({ parents, wanted, deployment_data, deployment_wall, sysdata, committed_data }: MoreRow): boolean {
  return (wanted === null || wanted.length === 0) && [parents, deployment_data, deployment_wall, sysdata, committed_data].every(isEmpty);
}

function isEmpty(object: object | null): boolean {
  for (const _key in object) return false;
  return true;
}

const ownOf = ({ run, more }: Row): Pick<DataSources, 'node' | 'parents'> => ({
  node: { id: run.node_id, name: run.node_name, arch: run.node_arch },
  parents: more.parents,
});

function sourcesOf(row: Row): DataSources {
  const { more, role } = row;
  return {
    ...ownOf(row),
    attribs: role.attribs,
    template: role.template,
    deploymentRole: more.deployment_data ?? {},
    deploymentRoleRevisions: more.deployment_revisions ?? {},
    deploymentRoleWall: more.deployment_wall ?? {},
    sysdata: more.sysdata,
    committed: more.committed_data,
    revisions: more.revisions,
    wanted: more.wanted ?? [],
  };
}
