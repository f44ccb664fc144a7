/** TODO -> TRANSITION for idle nodes, with their runs: one call of prisma/functions/20_claim.sql. The rule in words: src/annealer/model.ts. */
import type { Queryable } from '../db/client.js';
import type { Ring } from '../queue/jobs.js';

export type RingRow = { run_id: number; dispatch: number; fence: number; job_class: string };

/** Rows of the engine's functions as rings. */
export function toRings(rows: RingRow[]): Ring[] {
  return rows.map((row) => ({ runId: row.run_id, dispatch: row.dispatch, fence: row.fence, jobClass: row.job_class }));
}

/** Claims the next noderole of at most `limit` idle nodes, of all nodes or of those given. Commits; the rings are made after. */
export async function claim(db: Queryable, limit: number, nodes: number[] | null = null): Promise<Ring[]> {
  const { rows } = await db.query<RingRow>({
    name: 'claim',
    text: 'SELECT run_id, dispatch, fence, job_class FROM claim($1::int[], $2)',
    values: [nodes, limit],
  });
  return toRings(rows);
}

/** Whether a full pass is worth its cost, after runs of these classes were settled: they have not more waiting than they can take. */
export async function isClaimDue(db: Queryable, jobClasses: string[]): Promise<boolean> {
  const { rows } = await db.query<{ due: boolean }>({ name: 'claim-due', text: 'SELECT claim_is_due($1) AS due', values: [jobClasses] });
  return rows[0]?.due === true;
}
