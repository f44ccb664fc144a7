/**
 * The loop from events to role hooks (engine-rules 19): gives positions to what was committed, turns events into deliveries,
 * runs what is due. Each role runs by itself, so that a slow or failing one hides nothing from another. Any number of
 * processes may run it.
 */
import type { Db } from '../db/client.js';
import type { Hints } from '../events/hints.js';
import { createRounds } from '../events/rounds.js';
import { sequence } from '../events/sequencer.js';
import { groupBy } from '../shared/group-by.js';
import type { Logger } from '../shared/logger.js';
import { executeHook } from './execute.js';
import type { RoleHooks } from './hooks.js';
import { backoffMs, hooksOf, type Subscribing } from './match.js';
import { claimDeliveries, completeDeliveries, failDeliveries, readRoles, recordDeliveries, type Claimed } from './store.js';

export type HookDispatcherOptions = {
  roles: ReadonlyMap<string, RoleHooks>;
  log: Logger;
  /** Its hints make the loop run at once; without it the loop polls. */
  feed?: Hints;
  /** Runs after every round that did not fail: what else looks at the database as often, e.g. `publishServed`. */
  afterRound?: () => Promise<void>;
  pollMs?: number;
  hookTimeoutMs?: number;
  /** Milliseconds until the next try after so many failures; for tests. */
  backoffMs?: (attempts: number) => number;
};

export type HookDispatcher = {
  start(): void;
  /** Runs one round and whatever it made due, until nothing is; for tests and for a clean stop. */
  drain(): Promise<void>;
  /** Gives the hooks that run a moment, then takes them for failed; they run again in another process. */
  close(): Promise<void>;
};

const POLL_MS = 200;
/** Roles are imported rarely; cohorts and ids are read again after this long. */
const ROLES_FRESH_MS = 5_000;
/** How long hooks that run may go on when the process stops. */
const STOP_GRACE_MS = 2_000;

export function createHookDispatcher(db: Db, options: HookDispatcherOptions): HookDispatcher {
  const busy = new Map<string, Promise<void>>();
  const names = [...options.roles.keys()];
  const putOff = options.backoffMs ?? ((attempts: number) => backoffMs(attempts, Math.random()));
  let subscribing: Subscribing[] = [];
  let milestones: ReadonlySet<number> = new Set();
  let rolesReadAt = Number.NEGATIVE_INFINITY;
  const stop = new AbortController();

  async function refreshRoles(): Promise<void> {
    if (performance.now() - rolesReadAt < ROLES_FRESH_MS) return;
    const read = await readRoles(db.pool, names);
    milestones = read.milestones;
    subscribing = [...options.roles].map(([name, hooks]) => ({
      name,
      id: read.known.get(name)?.id ?? null,
      cohort: read.known.get(name)?.cohort ?? 0,
      hooks: hooksOf(hooks),
    }));
    rolesReadAt = performance.now();
  }

  async function runRound(): Promise<void> {
    await sequence(db.pool);
    await refreshRoles();
    while (await recordDeliveries(db.pool, subscribing, milestones));
    const idle = names.filter((name) => !busy.has(name));
    if (idle.length === 0) return;
    const claimed = await claimDeliveries(db.pool, idle);
    for (const [role, deliveries] of groupBy(claimed, (delivery) => delivery.role)) {
      const work = runRole(role, deliveries)
        .catch((error: unknown) => options.log.error({ err: error, role }, 'hook outcomes not written; they run again after their lease'))
        .finally(() => {
          busy.delete(role);
          rounds.kick();
        });
      busy.set(role, work);
    }
  }

  /** Groups in order of their first delivery: cohort and age. */
  async function runRole(role: string, deliveries: Claimed[]): Promise<void> {
    const hooks = options.roles.get(role);
    for (const group of groupBy(deliveries, (delivery) => `${delivery.hook} ${delivery.causeDepth}`).values()) {
      const hook = group[0] === undefined ? undefined : hooks?.[group[0].hook];
      if (hook === undefined) {
        await completeDeliveries(db.pool, group); // the role has this hook no more
        continue;
      }
      const deps = { db, log: options.log, stop: stop.signal, ...(options.hookTimeoutMs === undefined ? {} : { timeoutMs: options.hookTimeoutMs }) };
      const results = await executeHook(deps, hook, group);
      await completeDeliveries(
        db.pool,
        results.filter((result) => result.error === null).map((result) => result.delivery),
      );
      const failures = results.flatMap(({ delivery, error }) => (error === null ? [] : [{ delivery, error, backoffMs: putOff(delivery.attempts + 1) }]));
      for (const { delivery, error } of failures) options.log.warn({ role, hook: delivery.hook, subjectId: delivery.subjectId, reason: error }, 'hook failed');
      await failDeliveries(db.pool, failures);
    }
  }

  const rounds = createRounds({
    what: 'hook',
    async run() {
      await runRound();
      await options.afterRound?.();
    },
    log: options.log,
    feed: options.feed,
    pollMs: options.pollMs ?? POLL_MS,
  });

  return {
    start: () => rounds.start(),
    drain: () => rounds.drain(busy),
    async close() {
      const grace = setTimeout(() => stop.abort(), STOP_GRACE_MS);
      await rounds.close();
      await Promise.all(busy.values());
      clearTimeout(grace);
    },
  };
}
