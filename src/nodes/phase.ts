/**
 * Writes what was seen of boots: a row of the timeline each, and the node's phase. Servers record from their packet paths
 * through `createPhaseRecorder`, which only remembers and writes in batches: a slow database never holds back a packet.
 */
import type { Db, Tx } from '../db/client.js';
import { withTransaction } from '../db/client.js';
import type { BootPhaseSeen } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import type { Logger } from '../shared/logger.js';
import { latestPhases, type PhaseSeen } from './boot-phases.js';

/** Writes a batch in its own transaction and tells followers. A MAC of no node gets timeline rows only; discovery links them. */
export async function recordPhases(db: Db, seen: readonly PhaseSeen[]): Promise<void> {
  if (seen.length === 0) return;
  await withTransaction(db.pool, (tx) => writePhases(tx, seen));
  notify(db.pool);
}

/** The same inside the caller's transaction. Last of its writes: it adds the events. */
export async function writePhases(tx: Tx, seen: readonly PhaseSeen[]): Promise<void> {
  // One text for the whole batch: as arrays, each value is escaped by itself, which costs a server several times the time.
  await tx.query(
    `INSERT INTO boot_events (mac, node_id, at, kind, detail)
     SELECT s.mac, c.node_id, s.at, s.kind, s.detail
       FROM ROWS FROM (json_to_recordset($1) AS (mac text, at timestamptz, kind text, detail jsonb)) WITH ORDINALITY AS s(mac, at, kind, detail, n)
       LEFT JOIN nics c ON c.mac = s.mac ORDER BY s.n`,
    [JSON.stringify(seen.map(({ mac, at, kind, data, detail }) => ({ mac, at, kind, detail: { ...data, text: detail } })))],
  );
  const latest = [...latestPhases(seen)];
  if (latest.length === 0) return;
  // An older step that arrives late does not turn the phase back. Rows are taken in node order, so batches cannot deadlock.
  const { rows } = await tx.query<{ node_id: number; version: number; mac: string; phase: string; detail: string }>(
    `WITH told AS (
       SELECT DISTINCT ON (c.node_id) c.node_id, n.version, p.mac, p.phase, p.detail, p.at, s.phase AS phase_before
         FROM json_to_recordset($1) AS p(mac text, phase text, detail text, at timestamptz)
         JOIN nics c ON c.mac = p.mac JOIN nodes n ON n.id = c.node_id LEFT JOIN node_status s ON s.node_id = n.id
        ORDER BY c.node_id, p.at DESC
     ), written AS (
       INSERT INTO node_status (node_id, phase, phase_detail, phase_at)
       SELECT node_id, phase, detail, at FROM told ORDER BY node_id
       ON CONFLICT (node_id) DO UPDATE SET phase = EXCLUDED.phase, phase_detail = EXCLUDED.phase_detail, phase_at = EXCLUDED.phase_at
        WHERE node_status.phase = 'unseen' OR node_status.phase_at <= EXCLUDED.phase_at
       RETURNING node_id
     )
     SELECT told.node_id, told.version, told.mac, told.phase, told.detail FROM told JOIN written ON written.node_id = told.node_id
      WHERE told.phase_before IS DISTINCT FROM told.phase ORDER BY told.node_id`,
    [JSON.stringify(latest.map(([mac, step]) => ({ mac, ...step })))],
  );
  await writeEvents(
    tx,
    rows.map((row): BootPhaseSeen => ({
      kind: 'boot-phase',
      subjectType: 'node',
      subjectId: row.node_id,
      version: row.version,
      data: { mac: row.mac, phase: row.phase, detail: row.detail },
    })),
  );
}

/** A step of a node as the timeline takes it: under the NIC it boots from; nothing is written when it has none. */
export async function recordNodeStep(db: Db, nodeId: number, step: Omit<PhaseSeen, 'mac'>): Promise<void> {
  const { rows } = await db.pool.query<{ mac: string }>('SELECT mac FROM nics WHERE node_id = $1 ORDER BY boot DESC, id LIMIT 1', [nodeId]);
  await recordPhases(
    db,
    rows.map(({ mac }) => ({ ...step, mac })),
  );
}

/** Remembered at most; beyond it the oldest are forgotten: a timeline may have gaps, a server may not stand still. */
const REMEMBERED_MAX = 20_000;
const BATCH_MAX = 250;
/**
 * After a full batch: 4,000 steps a second at most, so that a flood of them takes neither the database nor the servers' time. Small
 * batches, because a server answers nobody while it writes one out for the database.
 */
const PAUSE_MS = 60;

export type PhaseRecorder = {
  /** Remembers; never throws, never waits. */
  record(seen: PhaseSeen): void;
  /** Whether a step recorded now makes another be forgotten: servers then save themselves the work. */
  isFull(): boolean;
  /** How many were forgotten because the database was too slow or away. */
  forgotten(): number;
  /** Writes what is left and stops. */
  close(): Promise<void>;
};

/** A recorder that writes at most every `flushMs`. */
export function createPhaseRecorder(db: Db, options: { log?: Logger; flushMs?: number } = {}): PhaseRecorder {
  const flushMs = options.flushMs ?? 100;
  const remembered: PhaseSeen[] = [];
  let forgotten = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;

  /** Writes the oldest batch; false when the database did not take it. */
  async function flush(): Promise<boolean> {
    const batch = remembered.splice(0, BATCH_MAX);
    try {
      await recordPhases(db, batch);
      return true;
    } catch (error) {
      // The timeline is for people; a boot goes on without it.
      forgotten += batch.length;
      options.log?.warn({ err: error, count: batch.length }, 'boot steps not written');
      return false;
    }
  }

  function schedule(afterMs: number): void {
    if (timer !== undefined || writing !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      const isFullBatch = remembered.length >= BATCH_MAX;
      writing = flush().then(() => {
        writing = undefined;
        if (remembered.length > 0) schedule(isFullBatch ? PAUSE_MS : flushMs);
      });
    }, afterMs);
    timer.unref();
  }

  return {
    record(seen) {
      remembered.push(seen);
      if (remembered.length > REMEMBERED_MAX) {
        remembered.splice(0, BATCH_MAX);
        forgotten += BATCH_MAX;
      }
      schedule(flushMs);
    },
    isFull: () => remembered.length >= REMEMBERED_MAX,
    forgotten: () => forgotten,
    async close() {
      clearTimeout(timer);
      await writing;
      clearTimeout(timer);
      while (remembered.length > 0) if (!(await flush())) return;
    },
  };
}
