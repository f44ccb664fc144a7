/**
 * How attribs are merged, and where each merged value came from: one rule, told twice. PURE.
 * Objects are merged key by key, anything else is replaced. `prisma/functions/58_attribs.sql` has the same overlay as SQL.
 */
import { isJsonObject, type Json, type JsonObject } from '../shared/json.js';

/** `over` laid on `base`: objects key by key, everything else replaced. Neither is changed. */
export function overlay(base: JsonObject, over: JsonObject): JsonObject {
  const result: JsonObject = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = own(result, key);
    put(result, key, isJsonObject(below) && isJsonObject(value) ? overlay(below, value) : value);
  }
  return result;
}

/** The fold of `layers`, low to high. */
export function merge(layers: readonly JsonObject[]): JsonObject {
  return layers.reduce<JsonObject>(overlay, {});
}

/** Which layer a value came from: its index; for an object whose parts came from several, the same for each of its keys. */
export type Origin = number | { [key: string]: Origin };

/** The origin of each top-level key of `merge(layers)`. */
export function originsOf(layers: readonly JsonObject[]): Record<string, Origin> {
  const result: Record<string, Origin> = {};
  let below: JsonObject = {};
  layers.forEach((layer, index) => {
    for (const [key, value] of Object.entries(layer)) put(result, key, originOver(own(result, key), own(below, key), value, index));
    below = overlay(below, layer);
  });
  return Object.fromEntries(Object.entries(result).map(([key, origin]) => [key, collapse(origin)]));
}

function originOver(before: Origin | undefined, below: Json | undefined, over: Json, index: number): Origin {
  if (!isJsonObject(below) || !isJsonObject(over)) return index;
  const parts: Record<string, Origin> = {};
  // What lies below keeps its origin, part by part, where it is not covered.
  for (const key of Object.keys(below)) put(parts, key, typeof before === 'object' ? (own(before, key) ?? index) : (before ?? index));
  for (const [key, value] of Object.entries(over)) put(parts, key, originOver(own(parts, key), own(below, key), value, index));
  return Object.keys(parts).length === 0 ? (typeof before === 'number' ? before : index) : parts;
}

/** An object all of one origin is told by that origin. */
function collapse(origin: Origin): Origin {
  if (typeof origin === 'number') return origin;
  const parts = Object.entries(origin).map(([key, part]) => [key, collapse(part)] as const);
  const first = parts[0]?.[1];
  if (typeof first === 'number' && parts.every(([, part]) => part === first)) return first;
  return Object.fromEntries(parts);
}

/** Not what Object.prototype has: `constructor` is a name like any other. */
function own<Value>(object: { [key: string]: Value }, key: string): Value | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Also for `__proto__`, which an assignment would take for something else. */
function put<Value>(object: { [key: string]: Value }, key: string, value: Value): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}
