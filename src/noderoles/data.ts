/**
 * What a run is given: frozen at its start, with where each value came from. PURE. The merge order, low to high:
 *   1. defaults of the role's declared attribs   2. the role's template        3. the attribs it wants of others
 *   4. the deployment role's wall                5. its committed data         6. system data of the noderole
 *   7. the noderole's committed data
 * The walls of parents come under `parents` (who reads them: `reads_parents` in prisma/functions/45_attribs.sql).
 */
import { hash } from 'node:crypto';
import type { Bucket } from '../attribs/buckets.js';
import { objectAt, pathKeys, type Attrib } from '../attribs/names.js';
import { merge, type Origin } from '../attribs/overlay.js';
import { provenanceOf, WANTED, type Layer, type Provenance, type WantedLayer } from '../attribs/provenance.js';
import { layersOfWanted, type Wanted } from '../attribs/wanted.js';
import type { Json, JsonObject } from '../shared/json.js';

export { overlay } from '../attribs/overlay.js';

/** What a parent left, by `<role>@<node>`; its role's attribs where they call something secret. */
export type ParentWall = { wall: JsonObject; run: number | null; attribs?: readonly Attrib[] | undefined };

export type DataSources = {
  attribs: readonly Attrib[];
  template: JsonObject;
  deploymentRole: JsonObject;
  deploymentRoleWall?: JsonObject | undefined;
  deploymentRoleRevisions?: JsonObject | undefined;
  sysdata: JsonObject;
  committed: JsonObject;
  revisions?: JsonObject | undefined;
  node: { id: number; name: string; arch: string };
  /** Walls that it reads whole. */
  parents: Record<string, ParentWall>;
  wanted?: readonly Wanted[] | undefined;
};

/** The frozen inputs of a run. Keys `node` and `parents` are reserved for what Prybar adds; `parents` is there when the role reads any. */
export function mergeInputs(sources: DataSources): JsonObject {
  return addOwn(sources, merge(inputLayers(sources).map((layer) => layer.data)));
}

/** Inputs and where each value came from; `from` is null when nothing but the node is in them. */
export function freezeInputs(sources: DataSources): { inputs: JsonObject; from: Provenance | null } {
  const layers = inputLayers(sources);
  const parents = Object.entries(sources.parents);
  if (layers.length === 0 && parents.length === 0) return { inputs: addOwn(sources, {}), from: null };
  const { sources: told, of } = provenanceOf(layers);
  const walls: Record<string, Origin> = {};
  for (const [noderole, { run }] of parents) walls[noderole] = told.push({ bucket: 'noderole.wall', noderole, ...(run === null ? {} : { run }) }) - 1;
  const from = { sources: told, of: parents.length === 0 ? of : { ...of, parents: walls } };
  return { inputs: addOwn(sources, merge(layers.map((layer) => layer.data))), from };
}

/** Merged data with what Prybar adds. */
export function addOwn({ node, parents }: Pick<DataSources, 'node' | 'parents'>, merged: JsonObject): JsonObject {
  return { ...merged, node: { ...node }, parents: Object.fromEntries(Object.entries(parents).map(([name, { wall }]) => [name, wall])) };
}

/** Only layers with something in them. */
function inputLayers(sources: DataSources): (Layer | WantedLayer)[] {
  const own = (bucket: Bucket, data: JsonObject | undefined, revisions?: JsonObject): Layer[] =>
    data === undefined || Object.keys(data).length === 0 ? [] : [{ bucket, data, revisions }];
  return [
    ...own('attrib.default', defaultsOf(sources.attribs)),
    ...own('role.template', sources.template),
    ...(sources.wanted ?? []).flatMap(wantedLayer),
    ...own('deployment_role.wall', sources.deploymentRoleWall),
    ...own('deployment_role.committed', sources.deploymentRole, sources.deploymentRoleRevisions),
    ...own('noderole.sysdata', sources.sysdata),
    ...own('noderole.committed', sources.committed, sources.revisions),
  ];
}

/** The defaults of declared attribs, by name. */
export function defaultsOf(attribs: readonly Attrib[]): JsonObject {
  return Object.fromEntries(attribs.flatMap(({ name, default: value }) => (value === undefined ? [] : [[name, value]])));
}

/** Nothing when no bucket has a value: what nobody says is absent from the inputs. */
function wantedLayer(want: Wanted): WantedLayer[] {
  const layers = layersOfWanted(want);
  const value = merge(layers.map((layer) => layer.data))[WANTED];
  const keys = pathKeys(want.at);
  if (value === undefined || keys.length === 0) return [];
  return [{ at: keys, data: objectAt(keys, value) as JsonObject, provenance: provenanceOf(layers) }];
}

/** SHA-256 over the canonical form, hex: equal inputs give equal hashes whatever their key order. */
export function hashInputs(inputs: Json): string {
  return hashText(canonical(inputs));
}

/** SHA-256 of a text, hex. */
export const hashText = (text: string): string => hash('sha256', text);

/** JSON with its keys sorted, at every depth. `known`: texts of objects in it that were written before. */
export function canonical(value: Json, known?: WeakMap<object, string>): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const text = known?.get(value);
  if (text !== undefined) return text;
  if (Array.isArray(value)) return `[${value.map((one) => canonical(one, known)).join(',')}]`;
  let members = '';
  for (const key of Object.keys(value).sort()) members += `${members === '' ? '' : ','}${JSON.stringify(key)}:${canonical(value[key] ?? null, known)}`;
  return `{${members}}`;
}
