/**
 * What a run is given: the merge order of attribs, low to high (engine.md 1.5). PURE.
 *   1. defaults of the role's declared attribs   2. the role's template
 *   3. the deployment role's committed data      4. system data of the noderole
 *   5. the noderole's committed data
 * Objects are merged key by key, anything else is replaced. What parents left (their walls) comes under `parents`.
 */
import { createHash } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject } from '../shared/json.js';

export type AttribDefault = { name: string; default?: Json | undefined };

export type DataSources = {
  attribs: AttribDefault[];
  template: JsonObject;
  deploymentRole: JsonObject;
  sysdata: JsonObject;
  committed: JsonObject;
  node: { id: number; name: string; arch: string };
  /** Walls of hard parents, by `<role>@<node>`. */
  parents: Record<string, JsonObject>;
};

/** The frozen inputs of a run. Keys `node` and `parents` are reserved for what Prybar adds. */
export function mergeInputs(sources: DataSources): JsonObject {
  const defaults: JsonObject = {};
  for (const attrib of sources.attribs) if (attrib.default !== undefined) defaults[attrib.name] = attrib.default;
  const merged = [sources.template, sources.deploymentRole, sources.sysdata, sources.committed].reduce<JsonObject>(overlay, defaults);
  return { ...merged, node: { ...sources.node }, parents: sources.parents };
}

/** `over` laid on `base`: objects key by key, everything else replaced. Neither is changed. */
export function overlay(base: JsonObject, over: JsonObject): JsonObject {
  const result: JsonObject = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isJsonObject(below) && isJsonObject(value) ? overlay(below, value) : value;
  }
  return result;
}

/** SHA-256 over the canonical form (keys sorted), hex: equal inputs give equal hashes whatever their key order. */
export function hashInputs(inputs: Json): string {
  return createHash('sha256').update(canonical(inputs)).digest('hex');
}

function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (isJsonObject(value))
    return `{${Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`)
      .join(',')}}`;
  return JSON.stringify(value);
}
