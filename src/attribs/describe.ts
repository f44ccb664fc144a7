/** What is told of the attribs of a container: the value that counts, where it came from, what lies under it. PURE. */
import { nearest } from '../shared/nearest.js';
import { NotFoundError } from '../shared/errors.js';
import type { Json, JsonObject } from '../shared/json.js';
import type { Bucket } from './buckets.js';
import { pathKeys, valueAt, type Attrib } from './names.js';
import { merge } from './overlay.js';
import { provenanceOf, sourcesOf, WANTED, type Layer, type Source } from './provenance.js';
import { isSecret, maskData, maskValue } from './secrets.js';

/** An attrib that the role reads of others: the layers of its value, low to high, each under the key WANTED. */
export type WantedAttrib = { at: string; scoped: string; schema: JsonObject | null; layers: Layer[] };

/** A container with all that concerns it, low to high. `proposed` counts from the next commit on. */
export type Subject = {
  kind: 'noderole' | 'deployment_role' | 'node';
  id: number;
  name: string;
  /** Whose attribs they are; a node's are in the scope `node`. */
  scope: string;
  attribs: readonly Attrib[];
  layers: Layer[];
  proposed: { bucket: Bucket; data: JsonObject } | null;
  wanted: WantedAttrib[];
};

/** `path`: within the attrib, '' for the whole of it. `noderole`: whose bucket it is, null for the subject's own. */
export type ToldSource = { path: string; bucket: Bucket; noderole: string | null; revision: number | null; run: number | null };

export type ToldAttrib = {
  name: string;
  scoped: string;
  description: string;
  declared: boolean;
  secret: boolean;
  /** Absent when no bucket says anything. */
  value?: Json | undefined;
  proposed?: Json | undefined;
  sources: ToldSource[];
};

/** One bucket that says something, the highest first; `counts`: whether anything of it is in the value. */
export type ToldLayer = Omit<ToldSource, 'path'> & { value: Json; counts: boolean };

export type ExplainedAttrib = ToldAttrib & { schema: JsonObject | null; layers: ToldLayer[] };

/** Every attrib that is declared, said or proposed, in that order; then those that are wanted of others. */
export function describeAttribs(subject: Subject): { attribs: ToldAttrib[]; wanted: ToldAttrib[]; buckets: Record<string, JsonObject> } {
  const merged = merge(subject.layers.map((layer) => layer.data));
  const names = new Set([...subject.attribs.map((attrib) => attrib.name), ...Object.keys(merged), ...Object.keys(subject.proposed?.data ?? {})]);
  const shown = [...subject.layers, ...(subject.proposed === null ? [] : [subject.proposed])];
  return {
    attribs: [...names].map((name) => (subject.kind === 'node' ? tellPath(subject, pathKeys(name), name) : tell(subject, name))),
    wanted: subject.wanted.map(tellWanted),
    buckets: Object.fromEntries(shown.map(({ bucket, data }) => [bucket, maskData(subject.attribs, data)])),
  };
}

/**
 * One attrib with its layers: `port`, `<role>/port`, a path of a node's, or a wanted attrib by its place or its scoped name.
 * Throws NotFoundError with the nearest name.
 */
export function explainAttrib(subject: Subject, name: string): ExplainedAttrib {
  const own = name.startsWith(`${subject.scope}/`) ? name.slice(subject.scope.length + 1) : name;
  const known = describeAttribs(subject);
  const wanted = subject.wanted.find(({ at, scoped }) => at === name || scoped === name);
  if (subject.kind !== 'node' && !known.attribs.some((attrib) => attrib.name === own)) {
    if (wanted) return { ...tellWanted(wanted), schema: wanted.schema, layers: tellLayers(wanted.layers, [WANTED], wanted.schema ?? undefined) };
    throw unknown(subject, own, known.attribs);
  }
  const schema = schemaOf(subject, own);
  const keys = subject.kind === 'node' ? pathKeys(own) : [own];
  const told = subject.kind === 'node' ? tellPath(subject, keys, own) : tell(subject, own);
  if (subject.kind === 'node' && told.value === undefined && !told.declared) throw unknown(subject, own, known.attribs);
  return { ...told, schema: schema ?? null, layers: tellLayers(subject.layers, keys, schema) };
}

function unknown(subject: Subject, name: string, attribs: readonly ToldAttrib[]): NotFoundError {
  const names = attribs.map((attrib) => attrib.name);
  const meant = nearest(name, names);
  const fix = meant !== undefined ? `did you mean '${meant}'?` : names.length === 0 ? 'it has none' : `it has: ${names.slice(0, 20).join(', ')}`;
  return new NotFoundError('attrib', name, { publicMessage: `${subject.kind} '${subject.name}' has no attrib '${name}'; ${fix}` });
}

const schemaOf = (subject: Subject, name: string): JsonObject | undefined => subject.attribs.find((attrib) => attrib.name === name)?.schema;

/** What is declared of it, whether or not any bucket says something. */
function headOf(subject: Subject, name: string): Omit<ToldAttrib, 'value' | 'proposed' | 'sources'> {
  const declared = subject.attribs.find((attrib) => attrib.name === name);
  return {
    name,
    scoped: `${subject.scope}/${name}`,
    description: declared?.description ?? '',
    declared: declared !== undefined,
    secret: isSecret(declared?.schema),
  };
}

function tell(subject: Subject, name: string): ToldAttrib {
  const schema = schemaOf(subject, name);
  const shown = (value: Json | undefined): Json | undefined => (value === undefined ? undefined : maskValue(schema, value));
  const merged = merge(subject.layers.map((layer) => layer.data));
  const proposed = subject.proposed !== null && Object.hasOwn(subject.proposed.data, name) ? subject.proposed.data[name] : undefined;
  return {
    ...headOf(subject, name),
    value: shown(Object.hasOwn(merged, name) ? merged[name] : undefined),
    ...(proposed === undefined ? {} : { proposed: shown(proposed) }),
    sources: sourcesOf(provenanceOf(subject.layers), name).map(({ path, source }) => toldSource(source, path)),
  };
}

/** A node's attrib may be any part of what is known of it. */
function tellPath(subject: Subject, keys: string[], name: string): ToldAttrib {
  const value = valueAt(merge(subject.layers.map((layer) => layer.data)), keys);
  const layers = subject.layers.flatMap((layer): Layer[] => {
    const part = valueAt(layer.data, keys);
    return part === undefined ? [] : [{ ...layer, data: { [WANTED]: part } }];
  });
  return {
    ...headOf(subject, name),
    value: value === undefined ? undefined : maskValue(schemaOf(subject, name), value),
    sources: sourcesOf(provenanceOf(layers), WANTED).map(({ path, source }) => toldSource(source, path)),
  };
}

function tellWanted({ at, scoped, schema, layers }: WantedAttrib): ToldAttrib {
  const value = merge(layers.map((layer) => layer.data))[WANTED];
  return {
    name: at,
    scoped,
    description: '',
    declared: true,
    secret: isSecret(schema ?? undefined),
    value: value === undefined ? undefined : maskValue(schema ?? undefined, value),
    sources: sourcesOf(provenanceOf(layers), WANTED).map(({ path, source }) => toldSource(source, path)),
  };
}

function tellLayers(layers: readonly Layer[], keys: readonly string[], schema: JsonObject | undefined): ToldLayer[] {
  const saying = layers.flatMap((layer): Layer[] => {
    const value = valueAt(layer.data, keys);
    const revisions = layer.revisions?.[keys[0] ?? ''];
    return value === undefined ? [] : [{ ...layer, data: { [WANTED]: value }, revisions: revisions === undefined ? {} : { [WANTED]: revisions } }];
  });
  const counting = new Set(sourcesOf(provenanceOf(saying), WANTED).map(({ source }) => `${source.noderole ?? ''} ${source.bucket}`));
  return saying.toReversed().map((layer) => {
    const source = sourcesOf(provenanceOf([layer]), WANTED)[0]?.source ?? { bucket: layer.bucket };
    const { path: _path, ...told } = toldSource(source, []);
    return { ...told, value: maskValue(schema, layer.data[WANTED] ?? null), counts: counting.has(`${layer.noderole ?? ''} ${layer.bucket}`) };
  });
}

/** A source as it is told. */
export function toldSource({ bucket, noderole, revision, run }: Source, path: readonly string[]): ToldSource {
  return { path: path.join('.'), bucket, noderole: noderole ?? null, revision: revision ?? null, run: run ?? null };
}
