/**
 * Deployments, nodes, bindings and commits in one request and one transaction: all or nothing. What exists stays as it is,
 * so the same request may be sent again. Whatever is wrong names the item: `bindings[17].roles[0]`.
 */
import type { Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { writeEvents } from '../events/outbox.js';
import { insertNode, lockIdentity } from '../nodes/insert.js';
import { bindMany, lockBinds, type BindRequest } from '../noderoles/bind.js';
import type { Governed } from '../noderoles/vetoes.js';
import { AppError, ConflictError, ValidationError, type FieldProblem } from '../shared/errors.js';
import type { JsonObject } from '../shared/json.js';
import { parseMac } from '../shared/mac.js';
import { commitIn } from './commit.js';
import { insertDeployment, setDeploymentRoleDataIn } from './verbs.js';

export type BatchDeployment = { name: string; parent?: string | undefined; description?: string | undefined; data?: Record<string, JsonObject> | undefined };
export type BatchNode = { name: string; macs?: string[] | undefined; deployment?: string | undefined };
/** Every role on every node. Without nodes: services, on the deployment's phantom node. */
export type BatchBinding = { deployment: string; roles: string[]; nodes?: string[] | undefined; data?: JsonObject | undefined };
export type Batch = {
  deployments: readonly BatchDeployment[];
  nodes: readonly BatchNode[];
  bindings: readonly BatchBinding[];
  /** Commits every deployment named in it that has something to commit. */
  commit: boolean;
  comment?: string | undefined;
};

export type BatchDone = { deployments: string[]; nodes: string[]; noderoles: number; committed: { deployment: string; revision: number; noderoles: number }[] };

type Ids = Map<string, number>;

/** Throws ValidationError naming items that refer to nothing, ConflictError with the item that cannot be. */
export async function applyBatch(db: Governed, batch: Batch, actor: string): Promise<BatchDone> {
  return withRetriedTransaction(db.pool, async (tx) => {
    const done: BatchDone = { deployments: [], nodes: [], noderoles: 0, committed: [] };
    const deployments = await ensureDeployments(tx, batch, actor, done);
    if (batch.commit) await lockAll(tx, deployments);
    const nodes = await ensureNodes(tx, batch, deployments, done);
    const roles = await idsOf(tx, 'roles', [
      ...batch.bindings.flatMap((binding) => binding.roles),
      ...batch.deployments.flatMap((one) => Object.keys(one.data ?? {})),
    ]);
    const requests = resolve(batch, deployments, nodes, roles);
    const { created } = await bindNaming(tx, db, requests);
    done.noderoles = created.length;
    for (const [index, one] of batch.deployments.entries())
      for (const [role, data] of Object.entries(one.data ?? {}))
        await inside(`deployments[${index}].data.${role}`, () =>
          setDeploymentRoleDataIn(tx, { deploymentId: deployments.get(one.name) ?? 0, roleId: roles.get(role) ?? 0, data, actor }),
        );
    if (batch.commit) await commitAll(tx, db, batch, deployments, actor, done);
    return done;
  });
}

async function ensureDeployments(tx: Tx, batch: Batch, actor: string, done: BatchDone): Promise<Ids> {
  const ids = await idsOf(tx, 'deployments', [
    ...batch.deployments.flatMap((one) => [one.name, one.parent ?? 'system']),
    ...batch.nodes.map((node) => node.deployment ?? 'system'),
    ...batch.bindings.map((binding) => binding.deployment),
  ]);
  for (const [index, one] of batch.deployments.entries()) {
    if (ids.has(one.name)) continue;
    const parentId = one.parent === undefined ? undefined : need(ids, one.parent, `deployments[${index}].parent`, 'deployment');
    const { id } = await inside(`deployments[${index}]`, () => insertDeployment(tx, { name: one.name, parentId, description: one.description, actor }));
    ids.set(one.name, id);
    done.deployments.push(one.name);
  }
  return ids;
}

/** What the commits at the end will lock, before anything that comes later in the order of locks. */
async function lockAll(tx: Tx, deployments: Ids): Promise<void> {
  const ids = [...deployments.values()].sort((a, b) => a - b);
  await lockBinds(tx, ids);
  await tx.query('SELECT 1 FROM deployments WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE', [ids]);
}

async function ensureNodes(tx: Tx, batch: Batch, deployments: Ids, done: BatchDone): Promise<Ids> {
  const ids = await idsOf(tx, 'nodes', [...batch.nodes.map((node) => node.name), ...batch.bindings.flatMap((binding) => binding.nodes ?? [])]);
  const fresh = batch.nodes.map((node, index) => ({ ...node, index })).filter((node) => !ids.has(node.name));
  const macsOf = (node: (typeof fresh)[number]) =>
    [...new Set(node.macs)].map((text, at) => {
      const mac = parseMac(text);
      if (mac === undefined) throw refused(`nodes[${node.index}].macs[${at}]`, `${text} is no MAC of a machine`);
      return mac;
    });
  await lockIdentity(tx, fresh.flatMap(macsOf), null);
  for (const node of fresh) {
    const deploymentId = need(deployments, node.deployment ?? 'system', `nodes[${node.index}].deployment`, 'deployment');
    const nics = macsOf(node).map((mac) => ({ mac, name: '', boot: false }));
    const made = await inside(`nodes[${node.index}]`, () => insertNode(tx, { name: node.name, deploymentId, nics }));
    await tx.query('UPDATE boot_events SET node_id = $1 WHERE mac = ANY($2) AND node_id IS NULL', [made.nodeId, nics.map((nic) => nic.mac)]);
    await writeEvents(tx, [made.event]);
    ids.set(node.name, made.nodeId);
    done.nodes.push(node.name);
  }
  return ids;
}

type Resolved = { item: number; request: BindRequest };

/** All that refers to nothing is told at once. */
function resolve(batch: Batch, deployments: Ids, nodes: Ids, roles: Ids): Resolved[] {
  const problems: FieldProblem[] = [];
  const find = (ids: Ids, key: string, field: string, kind: string): number => {
    const id = ids.get(key);
    if (id === undefined) problems.push({ field, message: `no ${kind} '${key}'` });
    return id ?? 0;
  };
  for (const [index, one] of batch.deployments.entries())
    for (const role of Object.keys(one.data ?? {})) find(roles, role, `deployments[${index}].data.${role}`, 'role');
  const resolved = batch.bindings.flatMap((binding, item) => {
    const deploymentId = find(deployments, binding.deployment, `bindings[${item}].deployment`, 'deployment');
    const roleIds = binding.roles.map((role, at) => find(roles, role, `bindings[${item}].roles[${at}]`, 'role'));
    const nodeIds = binding.nodes === undefined ? [null] : binding.nodes.map((node, at) => find(nodes, node, `bindings[${item}].nodes[${at}]`, 'node'));
    return roleIds.flatMap((roleId) => nodeIds.map((nodeId) => ({ item, request: { roleId, nodeId, deploymentId, data: binding.data } })));
  });
  const [first] = problems;
  if (first !== undefined) throw new ValidationError(`${first.field}: ${first.message}`, problems);
  return resolved;
}

/** Binds all in one go; only when that is refused it is looked for the item, by halves. */
async function bindNaming(tx: Tx, db: Governed, resolved: readonly Resolved[]): Promise<{ created: number[] }> {
  const attempt = async (count: number): Promise<{ created: number[] } | AppError> => {
    await tx.query('SAVEPOINT batch');
    try {
      const bound = await bindMany(
        tx,
        resolved.slice(0, count).map((one) => one.request),
        db.vetoes,
      );
      return bound;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      await tx.query('ROLLBACK TO SAVEPOINT batch');
      return error;
    }
  };
  const whole = await attempt(resolved.length);
  if (!(whole instanceof AppError)) return whole;
  let good = 0;
  let bad = resolved.length;
  let error = whole;
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    const answer = await attempt(middle);
    if (answer instanceof AppError) [bad, error] = [middle, answer];
    else {
      good = middle;
      await tx.query('ROLLBACK TO SAVEPOINT batch');
    }
  }
  throw named(`bindings[${resolved[bad - 1]?.item ?? 0}]`, error);
}

async function commitAll(tx: Tx, db: Governed, batch: Batch, deployments: Ids, actor: string, done: BatchDone): Promise<void> {
  const names = [...new Set([...batch.deployments.map((one) => one.name), ...batch.bindings.map((binding) => binding.deployment)])];
  // Parents of the tree first: what stands on them in their children is then not left waiting.
  const { rows } = await tx.query<{ id: number; name: string; proposed: boolean }>(
    `WITH RECURSIVE up AS (SELECT id AS start, id, parent_id, 0 AS depth FROM deployments WHERE id = ANY($1)
       UNION ALL SELECT up.start, d.id, d.parent_id, up.depth + 1 FROM up JOIN deployments d ON d.id = up.parent_id)
     SELECT d.id, d.name, EXISTS (SELECT 1 FROM node_roles nr WHERE nr.deployment_id = d.id AND (nr.state::text = 'PROPOSED' OR nr.proposed_data IS NOT NULL))
            OR EXISTS (SELECT 1 FROM deployment_roles dr WHERE dr.deployment_id = d.id AND dr.proposed_data IS NOT NULL) AS proposed
       FROM deployments d JOIN (SELECT start, max(depth) AS depth FROM up GROUP BY start) deep ON deep.start = d.id ORDER BY deep.depth, d.id`,
    [names.flatMap((name) => deployments.get(name) ?? [])],
  );
  for (const row of rows) {
    if (!row.proposed) continue;
    const { revision, committed } = await inside(`commit of ${row.name}`, () => commitIn(tx, db.vetoes, row.id, actor, { comment: batch.comment }));
    done.committed.push({ deployment: row.name, revision, noderoles: committed });
  }
}

async function idsOf(tx: Tx, table: 'deployments' | 'nodes' | 'roles', names: readonly string[]): Promise<Ids> {
  const { rows } = await tx.query<{ id: number; name: string }>(`SELECT id, name FROM ${table} WHERE name = ANY($1)`, [[...new Set(names)]]);
  return new Map(rows.map((row) => [row.name, row.id]));
}

function need(ids: Ids, key: string, field: string, kind: string): number {
  const id = ids.get(key);
  if (id === undefined) throw refused(field, `no ${kind} '${key}'`);
  return id;
}

const refused = (field: string, message: string) => new ValidationError(`${field}: ${message}`, [{ field, message }]);

async function inside<Value>(item: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof AppError ? named(item, error) : error;
  }
}

/** The same refusal, told of the item. */
function named(item: string, error: AppError): AppError {
  const message = `${item}: ${error.publicMessage}`;
  if (error instanceof ValidationError)
    return new ValidationError(
      message,
      error.problems.map((problem) => ({ ...problem, field: `${item}.${problem.field}` })),
      { cause: error },
    );
  return new ConflictError(message, { code: error.code, details: error.details, cause: error });
}
