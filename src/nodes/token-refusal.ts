/**
 * What happens when a machine's token is refused: one answer for every reason (nothing to learn from it), and an event that
 * says the reason to the operator. Events are limited per source, so that a flood of guesses fills no table.
 */
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { alarm, type DomainEvent } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { AppError } from '../shared/errors.js';
import { writePhases } from './phase.js';

/** Thrown when a machine's token is unknown, expired, revoked, used up or not for this call. The reason stays inside. */
export class TokenRefusedError extends AppError {
  constructor(readonly reason: string) {
    super('token-refused', 401, false, `token refused: ${reason}`, { publicMessage: 'the token is not valid for this call' });
  }
}

export type TokenRefusal = {
  /** The node the call was about; 0 or anything that is no node id when unknown. */
  nodeId: number;
  /** Source address of the request. */
  source: string;
  /** Which call, in a few words: `bootenv-local`, `answers`. */
  call: string;
  reason: string;
  /** Set when a human must look: a second source presented a used token. */
  alarmCode?: string;
};

const EVENTS_PER_SOURCE = 5;
const WINDOW_MS = 60_000;
const MAX_SOURCES = 10_000;

const recent = new Map<string, { since: number; count: number }>();

/** Whether this source may write one more refusal now; forgets everything when too many sources come. */
export function mayTell(source: string): boolean {
  const nowMs = Date.now();
  const seen = recent.get(source);
  if (seen === undefined || nowMs - seen.since > WINDOW_MS) {
    if (recent.size >= MAX_SOURCES) recent.clear();
    recent.set(source, { since: nowMs, count: 1 });
    return true;
  }
  seen.count += 1;
  return seen.count <= EVENTS_PER_SOURCE;
}

/** The events of a refusal: `token-refused`, and the alarm when there is one. */
export function refusalEvents(refusal: TokenRefusal): DomainEvent[] {
  const nodeId = isRowId(refusal.nodeId) ? refusal.nodeId : 0;
  const { source, call, reason } = refusal;
  const events: DomainEvent[] = [{ kind: 'token-refused', subjectType: 'node', subjectId: nodeId, version: 0, data: { call, source, reason } }];
  if (refusal.alarmCode !== undefined) {
    events.push(alarm('node', nodeId, refusal.alarmCode, `${call} from ${source}: ${reason}`, { source, call }));
  }
  return events;
}

/** Tells the operator that a token was refused: at most 5 times a minute and source. */
export async function recordTokenRefusal(db: Pick<Db, 'pool'>, refusal: TokenRefusal): Promise<void> {
  if (!mayTell(refusal.source)) return;
  await withTransaction(db.pool, async (tx: Tx) => {
    await noteOnTimeline(tx, refusal);
    await writeEvents(tx, refusalEvents(refusal));
  });
  notify(db.pool);
}

/** A step on the boot timeline of the machine that called, or, when the token named no node, of whose address it was. */
export async function noteOnTimeline(tx: Tx, refusal: TokenRefusal): Promise<void> {
  const { rows } = await tx.query<{ mac: string; at: Date }>(
    `SELECT mac, clock_timestamp() AS at FROM (
       (SELECT mac, 1 AS place FROM nics WHERE node_id = $1 ORDER BY boot DESC, id LIMIT 1)
       UNION ALL SELECT mac, 2 FROM leases WHERE address = $2 AND state = 'active'
       UNION ALL SELECT mac, 3 FROM reservations WHERE address = $2) found ORDER BY place LIMIT 1`,
    [isRowId(refusal.nodeId) ? refusal.nodeId : 0, refusal.source],
  );
  const { call, source, reason } = refusal;
  const steps = rows.map(({ mac, at }) => ({
    mac,
    at,
    kind: 'token-refused',
    phase: null,
    detail: `${call}: ${reason}`,
    data: { call, address: source, reason },
  }));
  if (steps.length > 0) await writePhases(tx, steps);
}

/** Whether the number can be the id of a row: a positive int4. */
export function isRowId(id: unknown): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id > 0 && id <= 0x7fffffff;
}
