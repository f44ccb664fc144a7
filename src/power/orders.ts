/**
 * Carries out the power orders that the engine has decided (prisma/functions/76_power.sql): powersave, and power on for
 * work that waits for a machine. Never in a transaction; safe in any number of processes; an order is tried until the BMC
 * agrees, with growing pauses, and given up with an alarm.
 */
import type { Db } from '../db/client.js';
import type { Logger } from '../shared/logger.js';
import type { PowerAsk } from './act.js';

const ORDERS_AT_ONCE = 20;
const MAX_ATTEMPTS = 6;
const FIRST_PAUSE_SECONDS = 15;

export type PowerOrders = { db: Db; log: Logger; power: (ask: PowerAsk) => Promise<void> };

type Order = { node_id: number; action: 'on' | 'off'; cause: string; bootenv: string; attempts: number };

/** Carries out what is due; returns how many machines were switched. */
export async function carryOutOrders(deps: PowerOrders, signal: AbortSignal): Promise<number> {
  const { rows } = await deps.db.pool.query<Order>('SELECT * FROM take_power_orders($1)', [ORDERS_AT_ONCE]);
  const switched = await Promise.all(rows.map((order) => carryOut(deps, order, signal)));
  return switched.filter(Boolean).length;
}

async function carryOut({ db, log, power }: PowerOrders, order: Order, signal: AbortSignal): Promise<boolean> {
  const { node_id: nodeId, action, cause } = order;
  try {
    if (action === 'off' && !(await retire(db, nodeId))) {
      await end(db, nodeId, action, 'there is work for it again');
      return false;
    }
    // What the installed system runs boots from its disk; everything else is asked of the network.
    await power({ nodeId, action, nextBoot: action === 'on' && order.bootenv !== 'local' ? 'pxe' : null, signal });
    await end(db, nodeId, action, null);
    log.info({ nodeId, action, cause }, 'power switched');
    return true;
  } catch (err) {
    const message = err instanceof Error ? err.message : String(err);
    log.warn({ err, nodeId, action, attempt: order.attempts }, 'power order failed');
    if (order.attempts >= MAX_ATTEMPTS) await giveUp(db, order, message);
    else
      await db.pool.query(
        `UPDATE power_orders SET last_error = left($2, 1000), not_before = clock_timestamp() + make_interval(secs => $3) WHERE node_id = $1 AND action = $4 AND done_at IS NULL`,
        [nodeId, message, FIRST_PAUSE_SECONDS * 2 ** (order.attempts - 1), action],
      );
    return false;
  }
}

async function retire(db: Db, nodeId: number): Promise<boolean> {
  const { rows } = await db.pool.query<{ idle: boolean }>('SELECT retire_for_power($1) AS idle', [nodeId]);
  return rows[0]?.idle === true;
}

async function end(db: Db, nodeId: number, action: string, note: string | null): Promise<void> {
  await db.pool.query('UPDATE power_orders SET done_at = clock_timestamp(), last_error = $3 WHERE node_id = $1 AND action = $2 AND done_at IS NULL', [
    nodeId,
    action,
    note,
  ]);
}

async function giveUp(db: Db, order: Order, message: string): Promise<void> {
  await end(db, order.node_id, order.action, message.slice(0, 1000));
  await db.pool.query(`SELECT emit_events(ARRAY[('alarm', 'node', $1::bigint, 0, $2::jsonb)::engine_event])`, [
    order.node_id,
    JSON.stringify({ code: 'power-order-failed', message: `power ${order.action} was given up after ${MAX_ATTEMPTS} tries (${order.cause}): ${message}` }),
  ]);
}

/** An operator has switched the machine: the engine does not switch it back for work that was there before. */
export async function noteOperatorPower(db: Pick<Db, 'pool'>, nodeId: number, action: 'on' | 'off' | 'cycle', actor: string): Promise<void> {
  await db.pool.query(
    `INSERT INTO power_orders (node_id, action, cause, done_at) VALUES ($1, $2, $3, clock_timestamp())
     ON CONFLICT (node_id) DO UPDATE SET action = EXCLUDED.action, cause = EXCLUDED.cause, node_role_id = NULL, node_role_version = NULL,
       decided_at = clock_timestamp(), attempts = 0, done_at = clock_timestamp(), last_error = NULL`,
    [nodeId, action === 'off' ? 'off' : 'on', `by ${actor}`],
  );
}

const EVERY_MS = 1000;

/** Looks for orders from a timer of its own, so that a slow BMC holds up no sweep. */
export function startPowerOrders(deps: PowerOrders): { close(): Promise<void> } {
  const closing = new AbortController();
  let busy: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    busy ??= carryOutOrders(deps, closing.signal)
      .catch((err: unknown) => deps.log.warn({ err }, 'power orders failed'))
      .finally(() => (busy = undefined));
  }, EVERY_MS);
  return {
    async close() {
      clearInterval(timer);
      closing.abort();
      await busy;
    },
  };
}
