/**
 * Binds roles to nodes in deployments: the noderoles, the parents they lack, their edges, all in one transaction, so that
 * nothing is half bound. What is made is decided in `bind-plan.ts`; this locks, reads, asks it and writes the answer.
 */
import { acceptData } from '../attribs/accept.js';
import type { Attrib } from '../attribs/names.js';
import type { Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { writeEvents } from '../events/outbox.js';
import type { JsonObject } from '../shared/json.js';
import { CONFIRMS_SERVED, refuseBoundServedCircle } from '../roles/served-order.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';
import { planBinding, type BindPlan, type Ref } from './bind-plan.js';
import { readBindSnapshot, readRoleClosure, type Place } from './bind-read.js';
import { writeBinding } from './bind-write.js';
import { ensurePhantoms } from './phantom.js';
import type { Governed, VetoPort } from './vetoes.js';

/** `nodeId` null: the deployment's phantom node, for roles flagged `service`. */
export type BindRequest = { roleId: number; nodeId: number | null; deploymentId: number; data?: JsonObject | undefined };
/** `created`: every noderole that was made, parents and barriers too. */
export type Bound = { nodeRoleIds: number[]; created: number[] };

const BIND_LOCK = 728_004;

/** One role to one node. Safe to repeat: an existing pair is answered as it is. Throws NotFoundError, ConflictError with what conflicts or which cycle. */
export async function bindRole(db: Governed, request: BindRequest & { actor: string }): Promise<{ nodeRoleId: number; created: number[] }> {
  const { nodeRoleIds, created } = await withRetriedTransaction(db.pool, (tx) => bindMany(tx, [request], db.vetoes));
  return { nodeRoleId: nodeRoleIds[0] ?? 0, created };
}

/** Many at once, in the caller's transaction, in the order given. Nothing of it stands when one cannot be, or when a role of them objects. */
export async function bindMany(tx: Tx, requests: readonly BindRequest[], vetoes: VetoPort | undefined): Promise<Bound> {
  if (requests.length === 0) return { nodeRoleIds: [], created: [] };
  const deploymentIds = sorted(requests.map((request) => request.deploymentId));
  await lockBinds(tx, deploymentIds);
  const names = await roleNames(tx, sorted(requests.map((request) => request.roleId)));
  const accepted = await acceptRequests(tx, requests);
  const closure = await readRoleClosure(tx, [...names.values()]);
  const needsPhantom =
    requests.some((request) => request.nodeId === null) ||
    [...closure.values()].some((role) => role.flags.includes('cluster') || role.flags.includes('service'));
  const lineage = await readLineage(tx, deploymentIds);
  const phantoms = needsPhantom ? await ensurePhantoms(tx, deploymentIds) : new Map<number, number>();
  const nodeIds = sorted([...requests.flatMap((request) => request.nodeId ?? []), ...deploymentIds.flatMap((id) => phantoms.get(id) ?? [])]);
  const place: Place = { nodeIds, deploymentIds, nodeNames: await lockNodes(tx, nodeIds), phantoms, lineage };
  const snapshot = await readBindSnapshot(tx, closure, place);

  const plan = planBinding(
    snapshot,
    requests.map((request) => {
      const role = names.get(request.roleId) ?? '';
      return { role, nodeId: request.nodeId ?? servicePlace(snapshot.roles.get(role), phantoms.get(request.deploymentId)), deploymentId: request.deploymentId };
    }),
  );
  const ids = await writeBinding(tx, plan, proposals(plan, accepted)).catch(refuseRemovedRole);
  // Only a new noderole that confirms, or a new member of a cluster above one, can close that circle.
  if (plan.joins.length > 0 || plan.creates.some(({ role }) => role.flags.includes(CONFIRMS_SERVED))) await refuseBoundServedCircle(tx);
  const toId = (ref: Ref) => (ref > 0 ? ref : (ids[-ref - 1]?.id ?? 0));
  if (vetoes) for (const deploymentId of deploymentIds) await ask(tx, vetoes, deploymentId, ids);
  await writeEvents(
    tx,
    ids.map(({ id, deploymentId, roleId, nodeId }) => ({
      kind: 'noderole-changed' as const,
      subjectType: 'noderole' as const,
      subjectId: id,
      version: 1,
      data: { from: 'NONE', to: 'PROPOSED', node_id: nodeId, role_id: roleId, deployment_id: deploymentId, reason: 'bound' },
    })),
  );
  return { nodeRoleIds: plan.answers.map(toId), created: ids.map(({ id }) => id) };
}

/**
 * Two that look for the same parent at once would each make one, and a commit must not meet what is bound while it counts:
 * one at a time in each deployment (ascending ids). Claims take no part in this lock. Held until the transaction ends.
 */
export async function lockBinds(tx: Tx, deploymentIds: readonly number[]): Promise<void> {
  for (const id of deploymentIds) await tx.query('SELECT pg_advisory_xact_lock($1, $2)', [BIND_LOCK, id]);
}

/** An import took a role away between the read and the write. */
function refuseRemovedRole(error: unknown): never {
  const isOfRole = error instanceof Error && 'constraint' in error && /_role_id_fkey$/.test(String(error.constraint));
  if (!isOfRole) throw error;
  throw new ConflictError('a role of this binding was taken away by an import at this moment', { code: 'role-missing', cause: error });
}

const sorted = (ids: number[]) => [...new Set(ids)].sort((a, b) => a - b);

async function ask(tx: Tx, vetoes: VetoPort, deploymentId: number, created: { id: number; deploymentId: number }[]): Promise<void> {
  const nodeRoleIds = created.filter((item) => item.deploymentId === deploymentId).map((item) => item.id);
  if (nodeRoleIds.length > 0) await vetoes.onNodeBind(tx, { deploymentId, nodeRoleIds });
}

function servicePlace(role: { name: string; flags: readonly string[] } | undefined, phantom: number | undefined): number {
  if (role === undefined || phantom === undefined || !role.flags.includes('service'))
    throw new ValidationError(`node: role '${role?.name ?? ''}' is no service, so it needs a node`, [
      { field: 'node', message: 'is required for a role that is no service' },
    ]);
  return phantom;
}

/** Data proposed with the requests, by the noderole it is for; of two requests for one noderole the later counts. */
function proposals(plan: BindPlan, requests: readonly BindRequest[]): Map<Ref, JsonObject> {
  return new Map(requests.flatMap((request, index) => (request.data === undefined ? [] : [[plan.answers[index] ?? 0, request.data] as const])));
}

/** The requests with their data checked against the attribs of their role. Throws ValidationError that names the field. */
async function acceptRequests(tx: Tx, requests: readonly BindRequest[]): Promise<BindRequest[]> {
  const withData = sorted(requests.filter((request) => request.data !== undefined).map((request) => request.roleId));
  if (withData.length === 0) return [...requests];
  const { rows } = await tx.query<{ id: number; name: string; attribs: Attrib[] }>('SELECT id, name, attribs FROM roles WHERE id = ANY($1)', [withData]);
  const roles = new Map(rows.map((row) => [row.id, row]));
  return requests.map((request, index) => {
    const role = roles.get(request.roleId);
    if (role === undefined || request.data === undefined) return request;
    return { ...request, data: acceptData(role, request.data, {}, requests.length === 1 ? 'data' : `${index}.data`) };
  });
}

async function roleNames(tx: Tx, ids: number[]): Promise<Map<number, string>> {
  const { rows } = await tx.query<{ id: number; name: string }>('SELECT id, name FROM roles WHERE id = ANY($1)', [ids]);
  const names = new Map(rows.map((row) => [row.id, row.name]));
  for (const id of ids) if (!names.has(id)) throw new NotFoundError('role', id);
  return names;
}

/** Each deployment with its ancestors, nearest first. */
async function readLineage(tx: Tx, ids: number[]): Promise<Map<number, number[]>> {
  const { rows } = await tx.query<{ start: number; line: number[] }>(
    `WITH RECURSIVE up AS (
       SELECT id AS start, id, parent_id, 0 AS depth FROM deployments WHERE id = ANY($1)
       UNION ALL SELECT up.start, d.id, d.parent_id, up.depth + 1 FROM deployments d JOIN up ON d.id = up.parent_id)
     SELECT start, array_agg(id ORDER BY depth) AS line FROM up GROUP BY start`,
    [ids],
  );
  const lineage = new Map(rows.map((row) => [row.start, row.line]));
  for (const id of ids) if (!lineage.has(id)) throw new NotFoundError('deployment', id);
  return lineage;
}

/** The node row is the mutex of what is bound to it, held until the transaction ends. */
async function lockNodes(tx: Tx, ids: number[]): Promise<Map<number, string>> {
  const { rows } = await tx.query<{ id: number; name: string; deleting: boolean }>(
    'SELECT id, name, deleting FROM nodes WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE',
    [ids],
  );
  const names = new Map(rows.map((row) => [row.id, row.name]));
  for (const id of ids) if (!names.has(id)) throw new NotFoundError('node', id);
  const going = rows.find((row) => row.deleting);
  if (going) throw new ConflictError(`node '${going.name}' is being deleted`);
  return names;
}
