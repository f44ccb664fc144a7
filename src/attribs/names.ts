/** Names of attribs: `port` within its role, `database/port` outside, `node/<path>` for a node's. PURE. */
import { isJsonObject, type Json, type JsonObject } from '../shared/json.js';

/** An attrib that a role declares: what `roles.attribs` holds. */
export type Attrib = { name: string; description?: string | undefined; schema?: JsonObject | undefined; default?: Json | undefined };

/** Words that stand in `wants-attribs` for what is no attrib: the walls of all parents; no list of the members of clusters. */
export const WANTS_PARENTS = 'parents';
export const WANTS_NO_MEMBERS = 'no-members';
/** The scope of attribs that belong to the node. */
export const NODE_SCOPE = 'node';

/** `role` null: of the node, `name` is then a path. */
export type ScopedName = { role: string | null; name: string };

/** `<role>/<attrib>`, `node/<path>`, or `<attrib>` of `role`. */
export function parseName(text: string, role: string): ScopedName {
  const slash = text.indexOf('/');
  if (slash < 0) return { role, name: text };
  const scope = text.slice(0, slash);
  return { role: scope === NODE_SCOPE ? null : scope, name: text.slice(slash + 1) };
}

/** The keys of a path: `cpu/count`, `cpu.count`. */
export function pathKeys(path: string): string[] {
  return path.split(/[/.]/).filter((key) => key !== '');
}

/** What is at the path; undefined when nothing is. */
export function valueAt(data: JsonObject, keys: readonly string[]): Json | undefined {
  let here: Json | undefined = data;
  for (const key of keys) {
    if (!isJsonObject(here) || !Object.hasOwn(here, key)) return undefined;
    here = here[key];
  }
  return here;
}

/** An object that holds `value` at the path and nothing else. */
export function objectAt(keys: readonly string[], value: Json): Json {
  return keys.reduceRight<Json>((inner, key) => ({ [key]: inner }), value);
}

/** A copy of `data` with `value` at the path; what stood in the way is replaced. */
export function withValueAt(data: JsonObject, keys: readonly string[], value: Json): JsonObject {
  const [key, ...rest] = keys;
  if (key === undefined) return data;
  const below = Object.hasOwn(data, key) ? data[key] : undefined;
  return { ...data, [key]: rest.length === 0 ? value : withValueAt(isJsonObject(below) ? below : {}, rest, value) };
}

/** A copy of `data` without what is at the path. */
export function withoutValueAt(data: JsonObject, keys: readonly string[]): JsonObject {
  const [key, ...rest] = keys;
  if (key === undefined || !Object.hasOwn(data, key)) return data;
  const { [key]: below, ...others } = data;
  return rest.length === 0 || !isJsonObject(below) ? others : { ...others, [key]: withoutValueAt(below, rest) };
}
