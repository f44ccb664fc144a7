/**
 * One noderole moved by one event: locks in the order every writer keeps (node, noderole with its children, run), asks
 * the table (`state.ts`), writes by compare-and-set on the version, moves the children's counters, writes the events.
 * With claim and settle the only writer of `node_roles.state`.
 */
import type { Pool, Tx } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { ConflictError, InvalidTransitionError, NotFoundError } from '../shared/errors.js';
import { isRefusal, next, type Move, type NodeRoleEvent, type NodeRoleState } from './state.js';

type Row = {
  id: number;
  node_id: number;
  role_id: number;
  deployment_id: number;
  state: NodeRoleState;
  version: number;
  pending_parents: number;
  slack: number;
  barrier: boolean;
  want_gen: number;
  current_run_id: number | null;
  run_gen: number | null;
  destructive: boolean;
  stopping: boolean;
  install_unproven: boolean;
  unabortable: string | null;
  name: string;
};

/** `later`: a cancel that takes effect when the step named is over. */
export type Moved = { id: number; from: NodeRoleState; to: NodeRoleState; version: number; later?: string };

/** Applies `event` to the noderole. Throws NotFoundError, InvalidTransitionError with the table's reason. Safe to repeat as far as the table says so. */
export async function moveNodeRole(pool: Pool, id: number, event: NodeRoleEvent, actor: string): Promise<Moved> {
  return withRetriedTransaction(pool, (tx) => moveNodeRoleIn(tx, id, event, actor));
}

/** The same in the caller's transaction, which holds no lock that comes later in the order: a hook's writes carry its depth. */
export async function moveNodeRoleIn(tx: Tx, id: number, event: NodeRoleEvent, actor: string): Promise<Moved> {
  const row = await lockWithChildren(tx, id, event.kind === 'cancel' || event.kind === 'repropose');
  const move = next(
    {
      state: row.state,
      pendingParents: row.pending_parents,
      slack: row.slack,
      barrier: row.barrier,
      wantGen: row.want_gen,
      runGen: row.run_gen,
      destructive: row.destructive,
      stopping: row.stopping,
      unabortable: row.unabortable,
      installUnproven: row.install_unproven,
    },
    event,
  );
  if (isRefusal(move)) throw new InvalidTransitionError(`${row.name}: ${move.refused}`, { details: { state: row.state, event: event.kind } });
  if (move.run === 'stop-later') {
    await askToStop(tx, row, actor);
    return { id, from: row.state, to: row.state, version: row.version, later: row.unabortable ?? '' };
  }
  const version = await write(tx, row, event, move, actor);
  return { id, from: row.state, to: move.to, version };
}

/** The same as in prisma/functions/66_bulk.sql. */
const INSTALL_UNPROVEN = `coalesce((SELECT i.status IN ('wiping', 'unknown') FROM installs i WHERE i.node_id = nr.node_id AND i.node_role_id = nr.id ORDER BY i.id DESC LIMIT 1), false)`;

async function lockWithChildren(tx: Tx, id: number, withRun: boolean): Promise<Row> {
  const found = await tx.query<{ node_id: number }>('SELECT node_id FROM node_roles WHERE id = $1', [id]);
  const nodeId = found.rows[0]?.node_id;
  if (nodeId === undefined) throw new NotFoundError('noderole', id);
  await tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
  await tx.query('SELECT 1 FROM node_roles WHERE id = $1 OR id IN (SELECT child_id FROM node_role_edges WHERE parent_id = $1) ORDER BY id FOR NO KEY UPDATE', [
    id,
  ]);
  // A step that may not be broken off begins in the run's row alone.
  if (withRun) await tx.query('SELECT 1 FROM runs WHERE id = (SELECT current_run_id FROM node_roles WHERE id = $1) FOR NO KEY UPDATE', [id]);
  const { rows } = await tx.query<Row>(
    `SELECT nr.id, nr.node_id, nr.role_id, nr.deployment_id, nr.state, nr.version, nr.pending_parents, nr.slack, nr.barrier, nr.want_gen, nr.current_run_id,
            r.gen AS run_gen, 'destructive' = ANY(ro.flags) AS destructive,
            -- Woken, the step that could not be broken off is over.
            CASE WHEN r.status IN ('RUNNING', 'WAITING') THEN r.unabortable END AS unabortable,
            EXISTS (SELECT 1 FROM runs s WHERE s.node_role_id = nr.id AND s.status = 'STOPPING') AS stopping,
            ${INSTALL_UNPROVEN} AS install_unproven, ro.name || '@' || n.name AS name
       FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id LEFT JOIN runs r ON r.id = nr.current_run_id WHERE nr.id = $1`,
    [id],
  );
  const row = rows[0];
  if (!row) throw new NotFoundError('noderole', id);
  return row;
}

/** Whether the event asks for another run, and if so, whether an operator does or a hook: what hooks begin may go in circles (engine-rules 8). */
async function causeOf(tx: Tx, event: NodeRoleEvent): Promise<'outside' | 'inside' | 'none'> {
  if (event.kind === 'retry') return 'outside';
  if (event.kind !== 'poke') return 'none';
  const { rows } = await tx.query<{ depth: number }>(`SELECT coalesce(nullif(current_setting('prybar.cause_depth', true), '')::int, 0) AS depth`);
  return (rows[0]?.depth ?? 0) > 0 ? 'inside' : 'outside';
}

/** Kept in the run's row: whoever ends the step carries it out, the sweep if nobody does. */
async function askToStop(tx: Tx, row: Row, actor: string): Promise<void> {
  await tx.query(
    `UPDATE runs SET cancel_requested_at = clock_timestamp(), cancel_by = $2 WHERE id = $1 AND cancel_requested_at IS NULL AND status IN ('RUNNING', 'WAITING')`,
    [row.current_run_id, actor],
  );
}

async function write(tx: Tx, row: Row, event: NodeRoleEvent, move: Move, actor: string): Promise<number> {
  const runStopped = move.run === 'stop' && row.current_run_id !== null;
  // Several statements below return arrays of the composite type engine_event; they are concatenated in the database.
  if (runStopped) await tx.query("SELECT emit_events(stop_runs(ARRAY[$1::bigint], 'cancelled', $2))", [row.current_run_id, `${event.kind} by ${actor}`]);
  const clearsFailure = event.kind === 'retry' || event.kind === 'repropose';
  const cancelled = event.kind === 'cancel';
  const { rows } = await tx.query<{ version: number }>(
    `UPDATE node_roles SET state = $3, pending_parents = $4, want_gen = $5, version = version + 1,
            changed_at = CASE WHEN state <> $3 THEN clock_timestamp() ELSE changed_at END,
            current_run_id = CASE WHEN $3 = 'TRANSITION' THEN current_run_id END,
            failures = CASE WHEN $6 THEN 0 ELSE failures END,
            not_before = CASE WHEN $6 THEN NULL ELSE not_before END,
            blocked_by = CASE WHEN $6 THEN NULL ELSE blocked_by END,
            last_ok_hash = CASE WHEN NOT $9 THEN last_ok_hash END,
            error_code = CASE WHEN $7 THEN 'cancelled' WHEN $3 = 'ERROR' THEN error_code END,
            error_message = CASE WHEN $7 THEN $8 WHEN $3 = 'ERROR' THEN error_message END,
            error_epoch = CASE WHEN $7 THEN error_epoch + 1 ELSE error_epoch END,
            reruns = CASE WHEN $10 = 'outside' THEN 0 WHEN $10 = 'inside' THEN reruns + 1 ELSE reruns END,
            reruns_since = CASE WHEN $10 = 'inside' AND reruns = 0 THEN clock_timestamp() ELSE reruns_since END,
            outside_at = CASE WHEN $10 = 'outside' THEN clock_timestamp() ELSE outside_at END
      WHERE id = $1 AND version = $2 RETURNING version`,
    [row.id, row.version, move.to, move.pendingParents, move.wantGen, clearsFailure, cancelled, `cancelled by ${actor}`, runStopped, await causeOf(tx, event)],
  );
  const version = rows[0]?.version;
  if (version === undefined) throw new ConflictError(`noderole ${row.id} changed meanwhile; read it again`);
  if (move.to === 'BLOCKED') await tx.query('SELECT join_waves(ARRAY[$1::int])', [row.id]);
  if (move.wave) await tx.query('SELECT start_waves(ARRAY[$1::int])', [row.id]);
  await tx.query(
    `SELECT emit_events(
       CASE WHEN $3::node_role_state <> $4::node_role_state
         THEN ARRAY[noderole_event($1, $2, $3, $4, $5, $6, $7, $8)] ELSE '{}'::engine_event[] END
       || CASE WHEN $9::int <> 0 THEN (SELECT events FROM adjust_children(ARRAY[$1::int], $9::int)) ELSE '{}'::engine_event[] END)`,
    [row.id, version, row.state, move.to, row.node_id, row.role_id, row.deployment_id, event.kind, move.childrenDelta],
  );
  return version;
}
