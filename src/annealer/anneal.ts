/**
 * One anneal pass: make the rings that are decided but not made, claim what may run, ring. Safe to call at any time and
 * any number at once: the node row is the mutex, and a ring that comes twice starts once.
 */
import type { Queryable } from '../db/client.js';
import { claim, toRings, type RingRow } from '../noderoles/claim.js';
import type { Ring } from '../queue/jobs.js';

/** Nodes looked at in one claim: bounds a statement's length, not the pass (it goes on until a claim finds nothing). */
const CLAIM_LIMIT = 1000;
const MAX_ROUNDS = 50;
/** A ring that nobody has started after this long was lost by the queue. */
export const RING_AGAIN_AFTER_SECONDS = 5;

/** Returns how many rings were made. */
export async function annealPass(db: Queryable, ring: (rings: Ring[]) => Promise<void>): Promise<number> {
  let made = 0;
  // Places that were given back since the last pass, phases that are over: the claim looks at what stands here.
  await db.query('SELECT rollout_sweep()');
  const again = await db.query<RingRow>(`SELECT run_id, dispatch, fence, job_class FROM ring_again(make_interval(secs => $1), $2)`, [
    RING_AGAIN_AFTER_SECONDS,
    CLAIM_LIMIT,
  ]);
  if (again.rows.length > 0) await ring(toRings(again.rows));
  made += again.rows.length;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const rings = await claim(db, CLAIM_LIMIT);
    if (rings.length === 0) break;
    await ring(rings);
    made += rings.length;
  }
  return made;
}
