/**
 * Where each value of merged data came from, told by the container it was in: its bucket, the revision that committed it or
 * the run that left it. Stored with a run in this form (`runs.inputs_from`), so it is compact. PURE.
 */
import { isJsonObject, type JsonObject } from '../shared/json.js';
import type { Bucket } from './buckets.js';
import { originsOf, type Origin } from './overlay.js';

/** `noderole`: whose bucket, `<role>@<node>`; absent when it is the noderole's own. */
export type Source = { bucket: Bucket; noderole?: string | undefined; revision?: number | undefined; run?: number | undefined };

/** `of`: for each top-level key the index into `sources`; for an object of several sources the same for each of its keys. */
export type Provenance = { sources: Source[]; of: Record<string, Origin> };

/** A bucket with what is known of its values: which revision gave each attrib its value, which run left them. */
export type Layer = {
  bucket: Bucket;
  data: JsonObject;
  noderole?: string | undefined;
  revisions?: JsonObject | undefined;
  run?: number | null | undefined;
};

/** A layer whose values have a provenance of their own: an attrib wanted of another noderole, put at a path. */
export type WantedLayer = { at: readonly string[]; data: JsonObject; provenance: Provenance };

/** Provenance of the fold of `layers`, low to high. */
export function provenanceOf(layers: readonly (Layer | WantedLayer)[]): Provenance {
  const sources: Source[] = [];
  const indexes = new Map<string, number>();
  const indexOf = (source: Source): number => {
    const key = JSON.stringify(source);
    const known = indexes.get(key);
    if (known !== undefined) return known;
    indexes.set(key, sources.length);
    return sources.push(source) - 1;
  };
  const resolve = (origin: Origin, path: readonly string[]): Origin => {
    if (typeof origin !== 'number') return mapParts(origin, (part, key) => resolve(part, [...path, key]));
    const layer = layers[origin];
    if (layer === undefined) throw new Error(`no layer ${origin}`);
    if (!('at' in layer)) return indexOf(sourceOf(layer, path[0] ?? ''));
    return resolveWanted(layer, path, (inner) => indexOf(inner));
  };
  const of = mapParts(originsOf(layers.map((layer) => layer.data)), (origin, key) => resolve(origin, [key]));
  return { sources, of };
}

function sourceOf({ bucket, noderole, revisions, run }: Layer, attrib: string): Source {
  const revision = revisions !== undefined && Object.hasOwn(revisions, attrib) ? revisions[attrib] : undefined;
  return {
    bucket,
    ...(noderole === undefined ? {} : { noderole }),
    ...(typeof revision === 'number' ? { revision } : {}),
    ...(run === undefined || run === null ? {} : { run }),
  };
}

/** What a wanted value is made of, as seen at `path` of the inputs, which may end above `at` or go on below it. */
function resolveWanted({ at, provenance }: WantedLayer, path: readonly string[], indexOf: (source: Source) => number): Origin {
  const own = provenance.of[WANTED] ?? 0;
  const renumbered = (origin: Origin): Origin => {
    if (typeof origin !== 'number') return mapParts(origin, renumbered);
    const source = provenance.sources[origin];
    if (source === undefined) throw new Error(`no source ${origin}`);
    return indexOf(source);
  };
  const above = at.slice(path.length);
  if (above.length > 0) return above.reduceRight<Origin>((inner, key) => ({ [key]: inner }), renumbered(own));
  const inside = path.slice(at.length).reduce<Origin>((here, key) => (typeof here === 'number' || !Object.hasOwn(here, key) ? here : (here[key] ?? 0)), own);
  return renumbered(inside);
}

/** The one key under which the provenance of a wanted value is computed. */
export const WANTED = 'value';

function mapParts<Part>(parts: Record<string, Part>, change: (part: Part, key: string) => Origin): Record<string, Origin> {
  return Object.fromEntries(Object.entries(parts).map(([key, part]) => [key, change(part, key)]));
}

/** One value and its source: `path` from the top-level key on. */
export type SourcedValue = { path: string[]; source: Source };

/** The sources of one top-level key: one for the whole of it, or one for each part. */
export function sourcesOf(provenance: Provenance, key: string): SourcedValue[] {
  const walk = (origin: Origin, path: string[]): SourcedValue[] => {
    if (typeof origin !== 'number') return Object.entries(origin).flatMap(([part, inner]) => walk(inner, [...path, part]));
    const source = provenance.sources[origin];
    return source === undefined ? [] : [{ path, source }];
  };
  const origin = Object.hasOwn(provenance.of, key) ? provenance.of[key] : undefined;
  return origin === undefined ? [] : walk(origin, []);
}

/** Whether stored JSON is a provenance; null when not. */
export function readProvenance(stored: unknown): Provenance | null {
  const value = stored as JsonObject | null;
  return isJsonObject(value ?? undefined) && Array.isArray(value?.sources) && isJsonObject(value?.of) ? (value as unknown as Provenance) : null;
}
