/** Objects are addressed by id or by name: a key of digits alone is an id, because names may not be numbers. */
import type { Db } from '../db/client.js';
import { networkId } from '../networks/read.js';
import { NotFoundError, ValidationError } from '../shared/errors.js';

const LARGEST_ID = 2_147_483_647;

/** The id a key spells, undefined when it is a name. */
export function idOfKey(key: string): number | undefined {
  if (!/^\d+$/.test(key)) return undefined;
  const id = Number(key);
  // Past int4 there is no row: 0 finds none and PostgreSQL does not have to complain.
  return id <= LARGEST_ID ? id : 0;
}

function where(key: string): { id: number } | { name: string } {
  const id = idOfKey(key);
  return id === undefined ? { name: key } : { id };
}

/** Id of a deployment. Throws NotFoundError. */
export async function deploymentId(db: Db, key: string): Promise<number> {
  const row = await db.prisma.deployment.findUnique({ where: where(key), select: { id: true } });
  if (row === null) throw new NotFoundError('deployment', key);
  return row.id;
}

/** Id of a role. Throws NotFoundError. */
export async function roleId(db: Db, key: string): Promise<number> {
  const row = await db.prisma.role.findUnique({ where: where(key), select: { id: true } });
  if (row === null) throw new NotFoundError('role', key);
  return row.id;
}

/** Id of a node; its name without its domain will do where only one has it, as the pages and the board show it. Throws NotFoundError. */
export async function nodeId(db: Db, key: string): Promise<number> {
  const id = idOfKey(key);
  const { rows } = await db.pool.query<{ id: number }>(
    id === undefined
      ? { name: 'node-by-name', text: 'SELECT id FROM nodes WHERE name = $1', values: [key] }
      : { name: 'node-by-id', text: 'SELECT id FROM nodes WHERE id = $1', values: [id] },
  );
  const row = rows[0];
  if (row !== undefined) return row.id;
  const [found, another] =
    id !== undefined || key === '' || key.includes('.')
      ? []
      : await db.prisma.node.findMany({ where: { name: { startsWith: `${key}.` } }, select: { id: true }, take: 2 });
  if (found === undefined || another !== undefined) throw new NotFoundError('node', key);
  return found.id;
}

/** Id of a noderole, addressed by id or by `<role>@<node>`. Throws NotFoundError. */
export async function nodeRoleId(db: Db, key: string): Promise<number> {
  const id = idOfKey(key);
  const at = key.lastIndexOf('@');
  if (id === undefined && at < 1) throw new NotFoundError('noderole', key);
  const row =
    id !== undefined
      ? await db.prisma.nodeRole.findUnique({ where: { id }, select: { id: true } })
      : await db.prisma.nodeRole.findFirst({ where: { role: { name: key.slice(0, at) }, nodeId: await nodeId(db, key.slice(at + 1)) }, select: { id: true } });
  if (row === null) throw new NotFoundError('noderole', key);
  return row.id;
}

type Kind = 'deployment' | 'role' | 'node';
const FINDERS: Record<Kind, (db: Db, key: string) => Promise<number>> = { deployment: deploymentId, role: roleId, node: nodeId };
/** Names shown when a reference names nothing. */
const NAMES_SHOWN = 12;

/**
 * Id of an object that a body's field refers to. Throws ValidationError that names the field and what there is: it is the
 * body that is wrong, the address exists.
 */
export async function referenced(db: Db, kind: Kind, field: string, key: string): Promise<number> {
  try {
    return await FINDERS[kind](db, key);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    const message = `no ${kind} '${key}'; ${await knownNames(db, kind)}`;
    throw new ValidationError(`${field}: ${message}`, [{ field, message }], { cause: error });
  }
}

async function knownNames(db: Db, kind: Kind): Promise<string> {
  const args = { select: { name: true }, orderBy: { name: 'asc' }, take: NAMES_SHOWN + 1 } as const;
  const rows =
    kind === 'role' ? await db.prisma.role.findMany(args) : kind === 'node' ? await db.prisma.node.findMany(args) : await db.prisma.deployment.findMany(args);
  const names = rows
    .slice(0, NAMES_SHOWN)
    .map((row) => row.name)
    .join(', ');
  if (names === '') return `there is none yet`;
  return `there are: ${names}${rows.length > NAMES_SHOWN ? ' ...' : ''}`;
}

/** Id of the network that a body's field `network` names. Throws ValidationError, as `referenced`. */
export async function referencedNetwork(db: Db, key: string): Promise<number> {
  try {
    return await networkId(db.pool, key);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    const { rows } = await db.pool.query<{ name: string }>('SELECT name FROM networks ORDER BY name LIMIT 12');
    const message = `no network '${key}'; there are: ${rows.map((row) => row.name).join(', ') || 'none yet'}`;
    throw new ValidationError(`network: ${message}`, [{ field: 'network', message }], { cause: error });
  }
}
