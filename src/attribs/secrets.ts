/**
 * Values that nobody is shown: what a schema marks `writeOnly: true` or `format: password`, at any depth. They are stored
 * and handed to the jig as they are; in answers, plans and logs they are `***`. PURE.
 */
import { isJsonObject, type Json, type JsonObject } from '../shared/json.js';
import type { Attrib } from './names.js';

export const MASK = '***';

/** Shorter ones would blot out half of a log. */
const SHORTEST_IN_LOG = 4;

/** Whether the schema says that the whole value is secret. */
export function isSecret(schema: JsonObject | undefined): boolean {
  return schema !== undefined && (schema.writeOnly === true || schema.format === 'password');
}

/** Whether anything in it may be secret: false spares the walk. */
export function hasSecrets(attribs: readonly Attrib[]): boolean {
  return attribs.some(({ schema }) => schema !== undefined && /"writeOnly":true|"format":"password"/.test(JSON.stringify(schema)));
}

/** The data as it may be shown. */
export function maskData(attribs: readonly Attrib[], data: JsonObject): JsonObject {
  if (!hasSecrets(attribs)) return data;
  return mapSecrets(attribs, data, () => MASK);
}

/** One value of an attrib as it may be shown. */
export function maskValue(schema: JsonObject | undefined, value: Json): Json {
  return walk(schema, value, () => MASK);
}

/** Data as it came in, where `***` in a secret place means: what is there stays. */
export function unmaskData(attribs: readonly Attrib[], data: JsonObject, kept: JsonObject): JsonObject {
  if (!hasSecrets(attribs)) return data;
  return mapSecrets(attribs, data, (value, path) => (value === MASK ? (at(kept, path) ?? value) : value));
}

/** Every secret string in the data, for the log to leave out. */
export function secretsIn(attribs: readonly Attrib[], data: JsonObject): string[] {
  if (!hasSecrets(attribs)) return [];
  const found = new Set<string>();
  mapSecrets(attribs, data, (value) => (collect(value, found), value));
  return [...found];
}

function collect(value: Json, into: Set<string>): void {
  if (typeof value === 'string') {
    if (value.length >= SHORTEST_IN_LOG) into.add(value);
  } else if (Array.isArray(value)) for (const one of value) collect(one, into);
  else if (isJsonObject(value)) for (const one of Object.values(value)) collect(one, into);
}

/** The text without the secrets, longest first, so that one which holds another goes whole. */
export function maskText(text: string, secrets: readonly string[]): string {
  if (secrets.length === 0) return text;
  return [...secrets].sort((a, b) => b.length - a.length).reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}

type Change = (value: Json, path: string[]) => Json;

function mapSecrets(attribs: readonly Attrib[], data: JsonObject, change: Change): JsonObject {
  const schemas = new Map(attribs.map(({ name, schema }) => [name, schema]));
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, walk(schemas.get(name), value, change, [name])]));
}

function walk(schema: Json | undefined, value: Json, change: Change, path: string[] = []): Json {
  if (!isJsonObject(schema)) return value;
  if (isSecret(schema)) return change(value, path);
  // Any branch may be the one that the value is on: what one of them calls secret is.
  const branches = [schema.allOf, schema.anyOf, schema.oneOf].flatMap((list) => (Array.isArray(list) ? list : []));
  const inBranches = branches.reduce<Json>((current, branch) => walk(branch, current, change, path), value);
  if (Array.isArray(inBranches)) {
    const { items } = schema;
    return inBranches.map((one, index) => walk(Array.isArray(items) ? items[index] : items, one, change, [...path, String(index)]));
  }
  if (!isJsonObject(inBranches)) return inBranches;
  const properties = isJsonObject(schema.properties) ? schema.properties : {};
  return Object.fromEntries(
    Object.entries(inBranches).map(([key, one]) => [
      key,
      walk(Object.hasOwn(properties, key) ? properties[key] : schema.additionalProperties, one, change, [...path, key]),
    ]),
  );
}

function at(data: Json, path: readonly string[]): Json | undefined {
  let here: Json | undefined = data;
  for (const key of path) {
    if (Array.isArray(here)) here = here[Number(key)];
    else if (isJsonObject(here) && Object.hasOwn(here, key)) here = here[key];
    else return undefined;
  }
  return here;
}
