/** The data that a commit changes, and who reads it. PURE. The rule of what counts is that of `commit_deployment` (60_commit.sql). */
import { maskData } from '../attribs/secrets.js';
import { merge } from '../attribs/overlay.js';
import { defaultsOf } from '../noderoles/data.js';
import { isJsonObject, type Json, type JsonObject } from '../shared/json.js';
import type { PlanIndex, PlanNodeRole, PlanPair } from './plan-snapshot.js';

/** One value; secret ones are `***`. `before` is absent where there was none, `after` where it goes. */
export type ValueChange = { path: string; before?: Json; after?: Json };
/** `nodes` null: the data of the role in the deployment, read by all its noderoles there; else own data of those on these nodes. */
export type DataChange = ValueChange & { role: string; nodes: string[] | null };

/** Noderoles that are not proposed and read another value after the commit: of their own data, or of an attrib they want of another. */
export function rereads(index: PlanIndex): Map<number, 'data' | 'wanted'> {
  const pairs = pairsOf(index);
  const found = new Map<number, 'data' | 'wanted'>();
  const changed = new Map<number, { before: JsonObject; after: JsonObject }>();
  for (const nr of index.ordered) {
    const pair = pairs.get(nr.roleId);
    if (nr.deploymentId !== index.snapshot.deployment.id || (nr.proposed === null && (pair?.proposed ?? null) === null)) continue;
    if (!same(effective(index, nr, pair, 'before'), effective(index, nr, pair, 'after'))) {
      if (nr.state !== 'PROPOSED') found.set(nr.id, 'data');
    }
    changed.set(nr.id, { before: effective(index, nr, pair, 'before', nr.wall), after: effective(index, nr, pair, 'after', nr.wall) });
  }
  for (const { parent, child, attrib } of index.snapshot.links) {
    const data = changed.get(parent);
    if (data !== undefined && !found.has(child) && !same(data.before[attrib] ?? null, data.after[attrib] ?? null)) found.set(child, 'wanted');
  }
  return found;
}

/** What the noderole would be given of its own data after the commit. */
export function dataAfter(index: PlanIndex, nr: PlanNodeRole): JsonObject {
  const own = nr.deploymentId === index.snapshot.deployment.id;
  return effective(index, nr, own ? index.snapshot.deploymentRoles.find((pair) => pair.roleId === nr.roleId) : undefined, 'after');
}

const pairsOf = (index: PlanIndex) => new Map(index.snapshot.deploymentRoles.map((pair) => [pair.roleId, pair]));

function effective(index: PlanIndex, nr: PlanNodeRole, pair: PlanPair | undefined, when: 'before' | 'after', wall: JsonObject = {}): JsonObject {
  const role = index.role(nr.roleId);
  const after = when === 'after';
  return merge([
    defaultsOf(role.attribs),
    role.template,
    pair?.wall ?? {},
    (after ? pair?.proposed : undefined) ?? pair?.data ?? {},
    wall,
    nr.sysdata,
    (after ? nr.proposed : undefined) ?? nr.data,
  ]);
}

export function dataChanges(index: PlanIndex): DataChange[] {
  const { snapshot } = index;
  const changes: DataChange[] = [];
  for (const pair of snapshot.deploymentRoles) {
    if (pair.proposed === null) continue;
    const role = index.role(pair.roleId);
    for (const change of valueChanges(role.attribs, pair.data, pair.proposed)) changes.push({ role: role.name, nodes: null, ...change });
  }
  // The same change on many nodes is one line.
  const grouped = new Map<string, DataChange & { nodes: string[] }>();
  for (const nr of index.ordered) {
    if (nr.proposed === null || !(nr.deploymentId === snapshot.deployment.id || snapshot.along.has(nr.id))) continue;
    const role = index.role(nr.roleId);
    for (const change of valueChanges(role.attribs, nr.data, nr.proposed)) {
      const key = JSON.stringify([role.name, change.path, change.before ?? null, change.after ?? null]);
      const found = grouped.get(key) ?? { role: role.name, nodes: [], ...change };
      found.nodes.push(index.node(nr.nodeId).name);
      grouped.set(key, found);
    }
  }
  return [...changes, ...grouped.values()];
}

/** Every value that differs, by its path; objects are gone into, anything else is one value. */
export function valueChanges(attribs: Parameters<typeof maskData>[0], before: JsonObject, after: JsonObject): ValueChange[] {
  return differences('', [before, maskData(attribs, before)], [after, maskData(attribs, after)]);
}

/** What it is, and how it may be shown. */
type Shown = readonly [raw: Json | undefined, shown: Json | undefined];

function differences(path: string, before: Shown, after: Shown): ValueChange[] {
  if (same(before[0] ?? null, after[0] ?? null) && (before[0] === undefined) === (after[0] === undefined)) return [];
  const below = objectOf(before);
  const above = objectOf(after);
  // What comes or goes as a whole is told value by value as well, so that one knows what it is.
  if ((below === undefined && before[0] !== undefined) || (above === undefined && after[0] !== undefined) || (below ?? above) === undefined)
    return [{ path, ...(before[1] === undefined ? {} : { before: before[1] }), ...(after[1] === undefined ? {} : { after: after[1] }) }];
  const keys = [...new Set([...Object.keys(below?.raw ?? {}), ...Object.keys(above?.raw ?? {})])].sort();
  const parts = keys.flatMap((key) => differences(path === '' ? key : `${path}.${key}`, at(below, key), at(above, key)));
  return parts.length > 0 || path === ''
    ? parts
    : [{ path, ...(before[1] === undefined ? {} : { before: before[1] }), ...(after[1] === undefined ? {} : { after: after[1] }) }];
}

type Both = { raw: JsonObject; shown: JsonObject };

function objectOf([raw, shown]: Shown): Both | undefined {
  return isJsonObject(raw) && isJsonObject(shown) ? { raw, shown } : undefined;
}

const at = (both: Both | undefined, key: string): Shown =>
  both !== undefined && Object.hasOwn(both.raw, key) ? [both.raw[key], both.shown[key]] : [undefined, undefined];

function same(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, index) => same(one, b[index] ?? null));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key] ?? null, b[key] ?? null));
}
