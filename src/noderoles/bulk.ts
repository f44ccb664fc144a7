/** Retry and rerun of many noderoles at once: what a filter names, in one transaction, each as the table (`state.ts`) says. */
import type { Pool, Queryable } from '../db/client.js';
import { withRetriedTransaction } from '../db/passing.js';
import { ValidationError } from '../shared/errors.js';
import type { NodeRoleState } from './state.js';

export type BulkVerb = 'retry' | 'rerun';

/** Ids; what is left out does not filter. */
export type BulkFilter = { deploymentId?: number; roleId?: number; nodeId?: number; states?: NodeRoleState[]; ids?: number[] };

export type BulkAnswer = {
  /** Nothing was changed: this is what would be. */
  dryRun: boolean;
  matched: number;
  /** Left ERROR or ACTIVE. */
  moved: number;
  /** Stay where they are and run again; of retry: need not wait for their backoff any more. */
  marked: number;
  /** Why others did not, the most frequent first, each with some of their ids. */
  others: { reason: string; count: number; ids: number[] }[];
};

/** One call takes as many; more would hold its locks for too long. */
const MOST = 50_000;
const IDS_SHOWN = 10;

type Judged = { id: number; verdict: 'move' | 'mark' | 'stay' | 'refuse'; reason: string | null; state: NodeRoleState };

/** Counts with `dryRun`, else carries it out. Throws ValidationError when the filter names nothing in particular, or too many. */
export async function bulk(db: { pool: Pool }, verb: BulkVerb, ask: { filter: BulkFilter; dryRun: boolean; actor: string }): Promise<BulkAnswer> {
  const { filter, dryRun, actor } = ask;
  if (Object.values(filter).every((value) => value === undefined))
    throw new ValidationError('say which: deployment, role, node, state or ids', [{ field: 'deployment', message: 'at least one filter is needed' }]);
  const ids = await matching(db.pool, filter);
  if (dryRun) return answerOf(await judge(db.pool, verb, ids), true);
  return withRetriedTransaction(db.pool, async (tx) => {
    await tx.query('SELECT lock_bulk($1)', [ids]);
    // Judged under the locks; what left the filter meanwhile is judged as it is now.
    const judged = await judge(tx, verb, ids);
    const of = (verdict: Judged['verdict']) => judged.filter((one) => one.verdict === verdict).map((one) => one.id);
    const drifting = judged.filter((one) => one.verdict === 'stay' && one.state === 'ACTIVE').map((one) => one.id);
    const answer = answerOf(judged, false);
    await tx.query(`INSERT INTO audit (actor, action, target, detail) VALUES ($1, $2, 'noderoles', $3)`, [
      actor,
      `noderole.bulk-${verb}`,
      JSON.stringify({ filter, matched: answer.matched, moved: answer.moved, marked: answer.marked }),
    ]);
    await tx.query('SELECT carry_bulk($1, $2, $3, $4)', [verb, of('move'), of('mark'), drifting]);
    return answer;
  });
}

async function matching(db: Queryable, filter: BulkFilter): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    `SELECT id FROM node_roles WHERE ($1::int IS NULL OR deployment_id = $1) AND ($2::int IS NULL OR role_id = $2) AND ($3::int IS NULL OR node_id = $3)
        AND ($4::text[] IS NULL OR state::text = ANY($4)) AND ($5::int[] IS NULL OR id = ANY($5)) ORDER BY id LIMIT $6`,
    [filter.deploymentId ?? null, filter.roleId ?? null, filter.nodeId ?? null, filter.states ?? null, filter.ids ?? null, MOST + 1],
  );
  if (rows.length > MOST)
    throw new ValidationError(`more than ${MOST} noderoles match; narrow the filter`, [{ field: 'deployment', message: 'too many match' }]);
  return rows.map((row) => row.id);
}

async function judge(db: Queryable, verb: BulkVerb, ids: number[]): Promise<Judged[]> {
  return (await db.query<Judged>('SELECT id, verdict, reason, state FROM judge_bulk($1, $2)', [verb, ids])).rows;
}

function answerOf(judged: Judged[], dryRun: boolean): BulkAnswer {
  const reasons = new Map<string, number[]>();
  for (const one of judged) if (one.reason !== null) reasons.set(one.reason, [...(reasons.get(one.reason) ?? []), one.id]);
  return {
    dryRun,
    matched: judged.length,
    moved: judged.filter((one) => one.verdict === 'move').length,
    marked: judged.filter((one) => one.verdict === 'mark').length,
    others: [...reasons].map(([reason, ids]) => ({ reason, count: ids.length, ids: ids.slice(0, IDS_SHOWN) })).sort((a, b) => b.count - a.count),
  };
}
