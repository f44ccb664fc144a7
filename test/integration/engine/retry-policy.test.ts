/** The retry policy of a role, as its barclamp says it: how often, after how long, and after what not at all. */
import { describe, expect, it } from '@jest/globals';
import { settle } from '../../../src/noderoles/settle.js';
import { addMachines, addRoles, bind, claimAndBegin, commit, nodeRole, useEngine, unsound } from '../../support/direct-engine.js';

const engine = useEngine();

/** Binds a role of this policy and fails its runs with the code until it is not tried again or was tried `times`; answers the pauses, seconds. */
async function failUntilGivenUp(policy: Record<string, unknown>, { code = 'passing', times = 20 } = {}): Promise<{ id: number; pauses: number[] }> {
  const roles = await addRoles(engine.db, { r: [] }, { r: policy });
  const [node] = await addMachines(engine.db, 1);
  const id = await bind(engine, roles['r'] ?? 0, node ?? 0);
  await commit(engine);
  const pauses: number[] = [];
  for (let attempt = 0; attempt < times; attempt += 1) {
    const run = (await claimAndBegin(engine.db)).get(id);
    if (!run) throw new Error(`attempt ${attempt}: nothing was claimed`);
    await settle(engine.db.pool, [{ ...run, outcome: { kind: 'fail', code, message: 'no', retryable: true } }], 0);
    const { rows } = await engine.db.pool.query<{ pause: number | null }>(
      'SELECT extract(epoch FROM not_before - changed_at)::float8 AS pause FROM node_roles WHERE id = $1',
      [id],
    );
    if ((await nodeRole(engine.db, id)).state === 'ERROR') break;
    pauses.push(rows[0]?.pause ?? -1);
    await engine.db.pool.query('UPDATE node_roles SET not_before = NULL WHERE id = $1', [id]);
  }
  expect(await unsound(engine.db)).toEqual([]);
  return { id, pauses };
}

describe('a role that fails', () => {
  it('is tried as often as it says, then it is in ERROR', async () => {
    const { id, pauses } = await failUntilGivenUp({ max_attempts: 4 });
    expect(pauses).toHaveLength(3);
    expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'ERROR', error_code: 'passing' });
  });

  it('is tried again after pauses that double up to the longest it says, jittered', async () => {
    const { pauses } = await failUntilGivenUp({ max_attempts: 8, backoff_seconds: 10, backoff_max_seconds: 60 });
    const longest = [10, 20, 40, 60, 60, 60, 60];
    expect(pauses).toHaveLength(longest.length);
    pauses.forEach((pause, index) => {
      expect(pause).toBeGreaterThan((longest[index] ?? 0) / 2 - 1);
      expect(pause).toBeLessThan((longest[index] ?? 0) + 1);
    });
  });

  it('may wait longer than ten minutes when it says so', async () => {
    const { pauses } = await failUntilGivenUp({ max_attempts: 2, backoff_seconds: 3600, backoff_max_seconds: 7200 });
    expect(pauses).toHaveLength(1);
    expect(pauses[0]).toBeGreaterThan(1799);
  });

  it('is not tried again after an error that it lists, whatever tries are left', async () => {
    const { id, pauses } = await failUntilGivenUp({ max_attempts: 9, no_retry_on: ['bad-disk', 'no-licence'] }, { code: 'no-licence' });
    expect(pauses).toEqual([]);
    expect(await nodeRole(engine.db, id)).toMatchObject({ state: 'ERROR', error_code: 'no-licence' });
  });
});
