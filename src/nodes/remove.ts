/**
 * Deleting a node (engine-rules 25): first it is marked, wanted by nobody, its runs stopped, its tokens revoked; then each
 * subsystem confirms that it has let go (`node_finalizers`); then its rows go, in one transaction. Until then its MACs
 * stay its own: a machine that boots meanwhile is asked to come again, and is a new one afterwards.
 */
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { allocationChanged, type AllocationRow, nodeChanged, type NodeDeleted } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { ConflictError, NotFoundError, ValidationError } from '../shared/errors.js';
import { refuseUnabortable } from './unabortable.js';
import { stopWork } from './remove-runs.js';

/** What may be skipped by an operator who knows that it will never confirm. */
export const FORCEABLE = ['runs', 'dhcp', 'dns', 'boot-files', 'bmc'] as const;

export type DeleteAsk = {
  actor: string;
  /** Noderoles elsewhere that depend on the node go back to PROPOSED; they are never satisfied by its absence. */
  cascade?: boolean;
  /** Subsystems not waited for. */
  force?: readonly string[];
};

const NAMES_SHOWN = 5;

/**
 * Marks the node as deleting; safe to repeat, also to add `cascade` or `force`. Throws ConflictError `node-in-use` with the
 * names of the noderoles elsewhere that depend on it, unless `cascade`.
 */
export async function deleteNode(db: Db, nodeId: number, ask: DeleteAsk): Promise<void> {
  const unknown = (ask.force ?? []).find((name) => !(FORCEABLE as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new ValidationError(`force: '${unknown}' cannot be skipped; these can: ${FORCEABLE.join(', ')}`, [
      { field: 'force', message: `one of ${FORCEABLE.join(', ')}` },
    ]);
  await withRetriedTransaction(db.pool, async (tx) => {
    const node = await lockNode(tx, nodeId, ask.cascade === true);
    await refuseOrFree(tx, nodeId, ask);
    if (!node.deleting) await mark(tx, nodeId, ask);
    await tx.query('SELECT ask_finalizers($1)', [nodeId]);
    if (ask.force && ask.force.length > 0) await skip(tx, nodeId, ask.force, ask.actor);
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, 'node.delete', $2, $3)`, [
      ask.actor,
      `node/${nodeId}`,
      JSON.stringify({ cascade: ask.cascade === true, force: ask.force ?? [] }),
    ]);
    if (node.deleting) return;
    const { rows } = await tx.query<{ version: number }>('SELECT version FROM nodes WHERE id = $1', [nodeId]);
    await writeEvents(tx, [nodeChanged(nodeId, rows[0]?.version ?? 0, ['deleting', 'bootenv'])]);
  });
  notify(db.pool);
}

/** Nodes, then noderoles: what is stopped or taken back stands on other nodes too. */
async function lockNode(tx: Tx, nodeId: number, cascade: boolean): Promise<{ deleting: boolean }> {
  await tx.query(
    `SELECT 1 FROM nodes WHERE id = $1 OR ($2 AND id IN (SELECT nr.node_id FROM node_roles nr WHERE nr.id = ANY((SELECT node_dependants($1))::int[]))) ORDER BY id FOR NO KEY UPDATE`,
    [nodeId, cascade],
  );
  const { rows } = await tx.query<{ deleting: boolean; kind: string }>('SELECT deleting, kind FROM nodes WHERE id = $1', [nodeId]);
  const node = rows[0];
  if (node === undefined) throw new NotFoundError('node', nodeId);
  if (node.kind !== 'machine')
    throw new ConflictError(node.kind === 'admin' ? 'the admin node cannot be deleted' : 'a phantom node goes with its deployment', {
      code: `${node.kind}-node`,
    });
  await tx.query(
    `WITH own AS (SELECT id FROM node_roles WHERE node_id = $1), near AS (SELECT e.child_id AS id FROM node_role_edges e JOIN own ON own.id = e.parent_id)
     SELECT 1 FROM node_roles WHERE id IN (SELECT id FROM own UNION SELECT id FROM near UNION SELECT e.child_id FROM node_role_edges e JOIN near ON near.id = e.parent_id) ORDER BY id FOR NO KEY UPDATE`,
    [nodeId],
  );
  return node;
}

async function refuseOrFree(tx: Tx, nodeId: number, ask: DeleteAsk): Promise<void> {
  const { rows } = await tx.query<{ id: number; name: string }>(
    `SELECT c.id, r.name || '@' || n.name AS name FROM node_roles c JOIN roles r ON r.id = c.role_id JOIN nodes n ON n.id = c.node_id WHERE c.id = ANY((SELECT node_dependants($1))::int[]) ORDER BY c.id`,
    [nodeId],
  );
  if (rows.length === 0) return;
  if (ask.cascade !== true) {
    const names = rows.map((row) => row.name);
    const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
    throw new ConflictError(
      `other nodes depend on it: ${names.slice(0, NAMES_SHOWN).join(', ')}${more}; propose or unbind them first, or delete with cascade, which proposes them`,
      { code: 'node-in-use', details: { dependants: names } },
    );
  }
  if (ask.force?.includes('runs') !== true)
    await refuseUnabortable(
      tx,
      rows.map((row) => row.id),
      'wait until it is over, or delete with force runs',
    );
  await tx.query('SELECT emit_events(repropose_noderoles($1, $2))', [rows.map((row) => row.id), `a node they depend on is being deleted by ${ask.actor}`]);
}

async function mark(tx: Tx, nodeId: number, { actor, force }: DeleteAsk): Promise<void> {
  const { waitedFor } = await stopWork(tx, nodeId, actor, force?.includes('runs') === true);
  // After the stop, which parks a machine whose installation it breaks off: this one shall boot from its disk.
  await tx.query(
    `UPDATE nodes SET deleting = true, alive = false, version = version + 1,
            bootenv = 'local', boot_reason = 'node is being deleted', desired_gen = desired_gen + 1 WHERE id = $1`,
    [nodeId],
  );
  // The agent that is at such a step needs its own; it is revoked when the step is over (`confirm_finalizers`).
  await tx.query(`UPDATE node_tokens SET revoked_at = clock_timestamp() WHERE node_id = $1 AND revoked_at IS NULL AND NOT ($2 AND kind = 'agent')`, [
    nodeId,
    waitedFor > 0,
  ]);
  await tx.query(`UPDATE installs SET status = 'abandoned', ended_at = clock_timestamp() WHERE node_id = $1 AND status = 'armed'`, [nodeId]);
}

async function skip(tx: Tx, nodeId: number, subsystems: readonly string[], actor: string): Promise<void> {
  await tx.query('UPDATE node_finalizers SET forced_by = $3 WHERE node_id = $1 AND subsystem = ANY($2) AND confirmed_at IS NULL', [nodeId, subsystems, actor]);
  if (!subsystems.includes('runs')) return;
  await stopWork(tx, nodeId, actor, true);
  await tx.query(`SELECT finish_stopped(ARRAY(SELECT r.id FROM runs r WHERE r.node_id = $1 AND r.status = 'STOPPING'))`, [nodeId]);
}

/** What a deletion waits for, in words; empty when nothing holds it, or when the node is not being deleted. */
export async function deletionWaits(db: Pick<Db, 'pool'>, nodeId: number): Promise<string[]> {
  const { rows } = await db.pool.query<{ subsystem: string }>(
    'SELECT subsystem FROM node_finalizers WHERE node_id = $1 AND confirmed_at IS NULL AND forced_by IS NULL ORDER BY asked_at, subsystem',
    [nodeId],
  );
  const waits: string[] = [];
  for (const { subsystem } of rows) waits.push(`${subsystem}: ${await inWords(db, nodeId, subsystem)}`);
  return waits;
}

async function inWords(db: Pick<Db, 'pool'>, nodeId: number, subsystem: string): Promise<string> {
  const ask = async (text: string) => (await db.pool.query<{ text: string }>(text, [nodeId])).rows.map((row) => row.text).join(', ');
  switch (subsystem) {
    case 'runs':
      return (
        (await ask(
          `SELECT 'run ' || id || ' is ' || status || coalesce(' in a step that cannot be broken off (' || unabortable || ')', '') AS text FROM runs WHERE node_id = $1 AND status <> 'ENDED' ORDER BY id LIMIT 5`,
        )) || 'about to be confirmed'
      );
    case 'dependants':
      return (
        (await ask(
          `SELECT r.name || '@' || n.name || ' is ' || c.state AS text FROM node_roles c JOIN roles r ON r.id = c.role_id JOIN nodes n ON n.id = c.node_id WHERE c.id = ANY((SELECT node_dependants($1))::int[]) ORDER BY c.id LIMIT 5`,
        )) || 'about to be confirmed'
      );
    case 'dhcp':
      return (
        (await ask(`SELECT 'the DHCP table still has ' || mac AS text FROM dhcp_entries WHERE node_id = $1 AND NOT deleted ORDER BY mac LIMIT 5`)) ||
        (await ask(
          `SELECT 'the DHCP server on ' || host || ' serves revision ' || served || ' of ' || wanted AS text FROM dhcp_unconfirmed($1) ORDER BY host LIMIT 5`,
        )) ||
        'about to be confirmed'
      );
    case 'dns':
      return (
        (await ask(
          `SELECT 'the DNS server on ' || u.host || ' serves revision ' || u.served || ' of ' || u.wanted AS text
             FROM node_finalizers f CROSS JOIN LATERAL dns_unconfirmed(f.revision) u WHERE f.node_id = $1 AND f.subsystem = 'dns' ORDER BY u.host LIMIT 5`,
        )) || 'about to be confirmed'
      );
    case 'bmc':
      return 'a power command is under way';
    default:
      return 'about to be confirmed';
  }
}

/** Removes the marked nodes that nothing holds any more. Returns their ids. Safe at any rate and in any number of processes. */
export async function finishDeletions(db: Db): Promise<number[]> {
  const { rows } = await db.pool.query<{ id: number }>('SELECT confirm_finalizers AS id FROM confirm_finalizers()');
  const removed: number[] = [];
  for (const row of rows) if (await removeRows(db, row.id)) removed.push(row.id);
  if (removed.length > 0) notify(db.pool);
  return removed;
}

async function removeRows(db: Db, nodeId: number): Promise<boolean> {
  return withTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ name: string; version: number; macs: string[] }>(
      `SELECT n.name, n.version, ARRAY(SELECT c.mac FROM nics c WHERE c.node_id = n.id ORDER BY c.mac) AS macs
         FROM nodes n WHERE n.id = $1 AND n.deleting FOR UPDATE OF n SKIP LOCKED`,
      [nodeId],
    );
    const node = rows[0];
    if (node === undefined) return false;
    await tx.query(
      'SELECT 1 FROM node_roles WHERE node_id = $1 OR id IN (SELECT e.child_id FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id WHERE p.node_id = $1) ORDER BY id FOR UPDATE',
      [nodeId],
    );
    // Looked at again under the locks: a child may have been committed since its finalizer confirmed.
    const held = await tx.query(`SELECT 1 WHERE node_dependants($1) <> '{}' OR EXISTS (SELECT 1 FROM runs r WHERE r.node_id = $1 AND r.status <> 'ENDED')`, [
      nodeId,
    ]);
    if (held.rowCount !== 0) {
      await tx.query(`UPDATE node_finalizers SET confirmed_at = NULL WHERE node_id = $1 AND subsystem IN ('dependants', 'runs') AND forced_by IS NULL`, [
        nodeId,
      ]);
      return false;
    }
    await tx.query(`SELECT emit_events(remove_noderoles(ARRAY(SELECT id FROM node_roles WHERE node_id = $1), 'the node was deleted'))`, [nodeId]);
    const given = await tx.query<AllocationRow>('DELETE FROM reservations WHERE node_id = $1 RETURNING id, network_id, address, mac, node_id', [nodeId]);
    // What was reserved for it is free: the DHCP servers read it again.
    if (given.rows.length > 0) await tx.query('UPDATE dhcp_table SET revision = revision + 1 WHERE id = 1');
    await tx.query('UPDATE boot_events SET node_id = NULL WHERE node_id = $1', [nodeId]);
    await tx.query('DELETE FROM nodes WHERE id = $1', [nodeId]);
    const event: NodeDeleted = {
      kind: 'node-deleted',
      subjectType: 'node',
      subjectId: nodeId,
      version: node.version + 1,
      data: { name: node.name, macs: node.macs },
    };
    await writeEvents(tx, [...given.rows.map((row) => allocationChanged('deleted', row)), event]);
    return true;
  });
}
