/**
 * What the operator does to a node row: register, change, look up. Reads for pages and lists are the API's own; deleting
 * is `remove.ts`.
 */
import { pathKeys, valueAt } from '../attribs/names.js';
import { problemsOfValue, refuseProblems } from '../attribs/schema.js';
import { withTransaction, type Db, type Pool, type Queryable, type Tx } from '../db/client.js';
import type { NodeField } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';
import type { JsonObject } from '../shared/json.js';
import { parseMac } from '../shared/mac.js';
import { allocateNodes } from './allocate.js';
import { isUnicastMac } from './identity.js';
import { insertNode, lockIdentity } from './insert.js';
import { dragNodeRoles } from './move.js';
import { isNameTemplate, nextName } from './name-template.js';
import { tellReaders } from './readers.js';

/** Id of a node by id or name. Throws NotFoundError. */
export async function findNodeId(db: Queryable, key: string | number): Promise<number> {
  const isId = typeof key === 'number' || /^\d{1,9}$/.test(key);
  const { rows } = await db.query<{ id: number }>(isId ? 'SELECT id FROM nodes WHERE id = $1::int' : 'SELECT id FROM nodes WHERE name = $1', [key]);
  const row = rows[0];
  if (row === undefined) throw new NotFoundError('node', key);
  return row.id;
}

/**
 * Registers a machine before it was ever seen: when one of its MACs boots, it is this node. MACs in any usual spelling;
 * without a deployment it goes to the system one. A name with `{n}` gets the next number. Throws ConflictError `name-taken` or `mac-taken`.
 */
export async function createNode(
  db: Db,
  node: { name: string; macs?: string[]; deploymentId?: number | null; description?: string },
): Promise<{ nodeId: number }> {
  const macs = [...new Set((node.macs ?? []).map(readMac))];
  const nodeId = await withTransaction(db.pool, async (tx) => {
    await lockIdentity(tx, macs, null);
    const created = await insertNode(tx, {
      name: isNameTemplate(node.name) ? await nextName(tx, node.name) : node.name,
      description: node.description ?? '',
      deploymentId: node.deploymentId ?? null,
      nics: macs.map((mac) => ({ mac, name: '', boot: false })),
    });
    await tx.query('UPDATE boot_events SET node_id = $1 WHERE mac = ANY($2) AND node_id IS NULL', [created.nodeId, macs]);
    await writeEvents(tx, [created.event, ...(await allocateNodes(tx, [created.nodeId]))]);
    return created.nodeId;
  });
  notify(db.pool);
  return { nodeId };
}

function readMac(text: string, index: number): string {
  const mac = parseMac(text);
  if (mac !== undefined && isUnicastMac(mac)) return mac;
  throw new ValidationError(`${text} is no MAC of a machine`, [{ field: `macs.${index}`, message: 'six bytes in hex of one interface, not a group address' }]);
}

/** `dhcpOptions` are refused by the API, which knows their names; here they are stored. */
export type NodePatch = {
  available?: boolean;
  description?: string;
  hint?: Record<string, unknown>;
  dhcpOptions?: Record<string, unknown>;
  deploymentId?: number;
};

/**
 * Changes what is given; what is already so changes nothing and makes no event. Returns the fields that changed. What DHCP sends
 * is in its table with the same commit. `actor` is who the audit names; without one it is not written. Throws NotFoundError,
 * ConflictError `node-deleting`.
 */
export async function updateNode(db: { pool: Pool }, nodeId: number, patch: NodePatch, actor?: string): Promise<NodeField[]> {
  // One statement is one transaction: the machine is told what it boots a round trip after the operator asked for it.
  const isOneStatement = patch.hint === undefined && patch.deploymentId === undefined;
  const changed = isOneStatement
    ? await changeNode(db.pool, nodeId, patch, actor)
    : await withTransaction(db.pool, (tx) => applyPatch(tx, nodeId, patch, actor));
  if (changed.length > 0) notify(db.pool);
  return changed;
}

/** Changes the hint by what it is now; two writers of different keys both count. Returns the fields that changed. */
export async function changeHint(db: Db, nodeId: number, change: (hint: JsonObject) => JsonObject): Promise<NodeField[]> {
  const changed = await withTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ hint: JsonObject }>('SELECT hint FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
    if (rows[0] === undefined) throw new NotFoundError('node', nodeId);
    return applyPatch(tx, nodeId, { hint: change(rows[0].hint) });
  });
  if (changed.length > 0) notify(db.pool);
  return changed;
}

/** Moves the node and tells who reads its hint, which other code than the row's decides; then changes the row. */
async function applyPatch(tx: Tx, nodeId: number, patch: NodePatch, actor?: string): Promise<NodeField[]> {
  // Deployments come before nodes in the lock order.
  if (patch.deploymentId !== undefined) {
    const { rowCount } = await tx.query('SELECT 1 FROM deployments WHERE id = $1 FOR SHARE', [patch.deploymentId]);
    if (rowCount === 0) throw new NotFoundError('deployment', patch.deploymentId);
  }
  const { rows } = await tx.query<{ deployment_id: number; deleting: boolean; same_hint: boolean; discovery: string; hint: string }>(
    'SELECT deployment_id, deleting, hint = $2::jsonb AS same_hint, discovery::text, hint::text FROM nodes WHERE id = $1 FOR NO KEY UPDATE',
    [nodeId, JSON.stringify(patch.hint ?? {})],
  );
  const node = rows[0];
  if (node === undefined) throw new NotFoundError('node', nodeId);
  refuseDeleting(node.deleting);
  if (patch.deploymentId !== undefined && patch.deploymentId !== node.deployment_id)
    await dragNodeRoles(tx, { nodeId, from: node.deployment_id, to: patch.deploymentId });
  if (patch.hint !== undefined && !node.same_hint) {
    await refuseHint(tx, patch.hint as JsonObject);
    await tellReaders(tx, nodeId, node, { discovery: node.discovery, hint: JSON.stringify(patch.hint) });
  }
  return changeNode(tx, nodeId, patch, actor);
}

async function changeNode(db: Queryable, nodeId: number, patch: NodePatch, actor: string | undefined): Promise<NodeField[]> {
  const { rows } = await db.query<{ changed: NodeField[]; is_deleting: boolean }>({
    name: 'change-node',
    text: 'SELECT changed, is_deleting FROM change_node($1, $2, $3, $4, $5, $6, $7)',
    values: [
      nodeId,
      patch.available ?? null,
      patch.description ?? null,
      jsonOrNull(patch.hint),
      jsonOrNull(patch.dhcpOptions),
      patch.deploymentId ?? null,
      actor ?? null,
    ],
  });
  const row = rows[0];
  if (row === undefined) throw new NotFoundError('node', nodeId);
  refuseDeleting(row.is_deleting);
  return row.changed;
}

function refuseDeleting(isDeleting: boolean): void {
  if (isDeleting) throw new ConflictError('the node is being deleted', { code: 'node-deleting' });
}

function jsonOrNull(value: object | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** Hints of attribs that a barclamp declares for nodes must be on their schemas; any other hint is free. Throws ValidationError. */
async function refuseHint(tx: Tx, hint: JsonObject): Promise<void> {
  const { rows } = await tx.query<{ name: string; schema: JsonObject }>(
    `SELECT a->>'name' AS name, a->'schema' AS schema FROM barclamps b CROSS JOIN LATERAL jsonb_array_elements(b.attribs) a ORDER BY 1`,
  );
  refuseProblems(
    rows.flatMap(({ name, schema }) => {
      const keys = pathKeys(name);
      const value = valueAt(hint, keys);
      return value === undefined ? [] : problemsOfValue(schema, value, `hint.${keys.join('.')}`);
    }),
  );
}
