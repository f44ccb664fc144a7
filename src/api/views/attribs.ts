/** Attribs and their provenance as the API shows them. */
import { sign } from '../../attribs/authors.js';
import { describeAttribs, explainAttrib, toldSource, type Subject, type ToldAttrib } from '../../attribs/describe.js';
import { readDeploymentRoleSubject, readNodeRoleSubject, readNodeSubject, readReaders } from '../../attribs/read.js';
import { readProvenance, sourcesOf } from '../../attribs/provenance.js';
import { readNotes } from '../../attribs/notes.js';
import { pathKeys, valueAt } from '../../attribs/names.js';
import { maskInputs } from '../../attribs/shown-inputs.js';
import type { Db } from '../../db/client.js';
import { NotFoundError, ValidationError } from '../../shared/errors.js';
import type { JsonObject } from '../../shared/json.js';
import type { Attrib, AttribList, AttribOne, RunInputs } from '../attribs-schemas.js';
import { nodeRoleName } from './node-role.js';

export type SubjectKind = Subject['kind'];

/** All attribs of a container. Throws NotFoundError. */
export async function listAttribs(db: Db, kind: SubjectKind, id: number): Promise<AttribList> {
  const subject = await readSubject(db, kind, id);
  const { attribs, wanted, buckets } = describeAttribs(subject);
  const deployment = await deploymentOf(db, subject);
  const notes = await readNotes(db.pool, kind, id);
  return { of: told(subject), attribs: await signed(db, deployment, attribs), wanted: await signed(db, deployment, wanted), buckets, notes };
}

type Query = { explain?: boolean | undefined; bucket?: string | undefined };

/** One attrib, with every bucket that says something when asked to explain. Throws NotFoundError with the nearest name. */
export async function readAttrib(db: Db, kind: SubjectKind, id: number, name: string, query: Query): Promise<AttribOne> {
  const subject = await readSubject(db, kind, id);
  const { layers, ...explained } = explainAttrib(subject, name);
  const deployment = await deploymentOf(db, subject);
  const [attrib] = await signed(db, deployment, [explained]);
  if (attrib === undefined) throw new NotFoundError('attrib', name);
  const one = { of: told(subject), ...attrib, schema: explained.schema };
  if (query.bucket !== undefined) return inBucket(one, layers, query.bucket);
  if (query.explain !== true) return one;
  const readers = subject.kind === 'noderole' && attrib.scoped.startsWith(`${subject.scope}/`) ? await readReaders(db.pool, id, attrib.name) : [];
  return { ...one, layers: await sign(db.pool, deployment, layers), readers };
}

/** One note, by its path. Throws NotFoundError with the notes there are. */
export async function readNote(db: Db, kind: SubjectKind, id: number, name: string): Promise<AttribOne> {
  const subject = await readSubject(db, kind, id);
  const notes = await readNotes(db.pool, kind, id);
  const value = valueAt(notes, pathKeys(name));
  if (value === undefined) {
    const names = Object.keys(notes);
    const has = names.length === 0 ? 'it has none' : `it has: ${names.slice(0, 20).join(', ')}`;
    throw new NotFoundError('note', name, { publicMessage: `${kind} '${subject.name}' has no note '${name}'; ${has}` });
  }
  return { of: told(subject), name, scoped: `notes/${name}`, description: '', declared: false, secret: false, value, sources: [], schema: null };
}

/** What one bucket says; `user`: proposed, else committed by a person, or a hint. */
function inBucket(one: AttribOne, layers: { bucket: string; value: unknown }[], bucket: string): AttribOne {
  const { value: _value, ...rest } = one;
  const said = layers.find((layer) => layer.bucket === (bucket === 'user' ? `${one.of.kind === 'node' ? 'node.hint' : `${one.of.kind}.committed`}` : bucket));
  if ((bucket === 'user' || bucket.endsWith('.proposed')) && one.proposed !== undefined) return { ...rest, value: one.proposed };
  return said === undefined ? rest : { ...rest, value: said.value };
}

/** The frozen inputs of a run. Throws NotFoundError. */
export async function readInputs(db: Db, runId: number, explain: boolean): Promise<RunInputs> {
  const run = await db.prisma.run.findUnique({
    where: { id: runId },
    select: {
      roleId: true,
      inputs: true,
      inputsHash: true,
      inputsFrom: true,
      nodeRole: { select: { id: true, deploymentId: true, role: { select: { name: true } }, node: { select: { name: true } } } },
    },
  });
  if (run === null) throw new NotFoundError('run', runId);
  const { nodeRole } = run;
  const shown: RunInputs = {
    run: runId,
    noderole: { id: nodeRole.id, name: nodeRoleName(nodeRole.role.name, nodeRole.node.name) },
    hash: run.inputsHash,
    inputs: run.inputs === null ? null : await maskInputs(db.pool, run.roleId, run.inputs as JsonObject),
  };
  if (!explain) return shown;
  const from = readProvenance(run.inputsFrom) ?? { sources: [], of: {} };
  const sources = Object.keys(from.of).flatMap((key) =>
    // The name of a parent is no path: it has dots.
    sourcesOf(from, key).map(({ path, source }) => ({ key, ...toldSource(source, path) })),
  );
  return { ...shown, sources: await sign(db.pool, nodeRole.deploymentId, sources) };
}

/** Refuses a place that cannot be written. */
export function ownName(subject: { scope: string; name: string; attribs: readonly { name: string }[] }, name: string): string {
  const own = name.startsWith(`${subject.scope}/`) ? name.slice(subject.scope.length + 1) : name;
  if (own.includes('/'))
    throw new ValidationError(`attrib: '${name}' belongs to another role; write it there (${subject.name} has the attribs of role '${subject.scope}')`, [
      { field: 'attrib', message: `must be an attrib of role '${subject.scope}'` },
    ]);
  return own;
}

export async function readSubject(db: Db, kind: SubjectKind, id: number): Promise<Subject> {
  if (kind === 'noderole') return readNodeRoleSubject(db.pool, id);
  return kind === 'node' ? readNodeSubject(db.pool, id) : readDeploymentRoleSubject(db.pool, id);
}

const told = ({ kind, id, name }: Subject): AttribList['of'] => ({ kind, id, name });

async function deploymentOf(db: Db, { kind, id }: Subject): Promise<number | null> {
  if (kind === 'noderole') return (await db.prisma.nodeRole.findUnique({ where: { id }, select: { deploymentId: true } }))?.deploymentId ?? null;
  if (kind === 'deployment_role') return (await db.prisma.deploymentRole.findUnique({ where: { id }, select: { deploymentId: true } }))?.deploymentId ?? null;
  return null;
}

async function signed(db: Db, deployment: number | null, attribs: readonly ToldAttrib[]): Promise<Attrib[]> {
  const all = await sign(
    db.pool,
    deployment,
    attribs.flatMap((attrib, index) => attrib.sources.map((source) => ({ ...source, index }))),
  );
  return attribs.map((attrib, index) => ({ ...attrib, sources: all.filter((source) => source.index === index).map(({ index: _index, ...source }) => source) }));
}
