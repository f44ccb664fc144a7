/** What the tests of the engine's rules share: an engine, and the moves that a history is made of. */
import { afterEach, expect } from '@jest/globals';
import type pg from 'pg';
import { settle, type Settlement } from '../../../../src/noderoles/settle.js';
import { addMachines, addRoles, bind, commit, unsound, useEngine } from '../../../support/direct-engine.js';
import { waitFor } from '../../../support/wait-for.js';

/** For the tests of one file. Every history must be sound when it is over, whatever its test was about. */
export function useRig() {
  const engine = useEngine();
  afterEach(async () => expect(await unsound(engine.db)).toEqual([]));

  const settled = (batch: Settlement[], claims = 0) => settle(engine.db.pool, batch, claims);
  const raise = (key: string, generation = 1) =>
    engine.db.pool.query<{ n: number }>('SELECT raise_fact($1, $2, $3) AS n', [key, generation, '{}']).then(({ rows }) => rows[0]?.n);
  const expireLease = (runId: number) => engine.db.pool.query(`UPDATE runs SET lease_until = clock_timestamp() - interval '1 minute' WHERE id = $1`, [runId]);

  /** Runs `work` while another transaction holds what `holding` locked; commits that when `work` waits for it, or is over. */
  async function whileHeld<T>(holding: (tx: pg.PoolClient) => Promise<unknown>, work: () => Promise<T>): Promise<T> {
    const tx = await engine.db.pool.connect();
    try {
      await tx.query('BEGIN');
      await holding(tx);
      let over = false;
      const answer = work().finally(() => (over = true));
      await waitFor(
        async () =>
          over ||
          ((await engine.db.pool.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)).rowCount ?? 0) > 0,
        { what: 'the other side to wait' },
      );
      await tx.query('COMMIT');
      return await answer;
    } finally {
      tx.release();
    }
  }

  /** Roles bound to one machine each, in a chain or as given; committed. */
  async function deploy(roles: Record<string, string[]>, more: Record<string, Record<string, unknown>> = {}) {
    const roleIds = await addRoles(engine.db, roles, more);
    const nodeIds = await addMachines(engine.db, Object.keys(roles).length);
    const ids: Record<string, number> = {};
    for (const [n, name] of Object.keys(roles).entries()) ids[name] = await bind(engine, roleIds[name], nodeIds[n]);
    await commit(engine);
    return { ids, nodeIds, roleIds };
  }

  return { engine, settled, raise, expireLease, whileHeld, deploy };
}
