/**
 * Writes what was seen of boots: a row of the timeline each, and the node's phase. Servers record from their packet paths
 * through phase-recorder.ts, so that a slow database never holds back a packet.
 */
import type { Db, Tx } from '../db/client.js';
import { withTransaction } from '../db/client.js';
import type { BootPhaseSeen } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import type { PhaseSeen } from './boot-phases.js';

/** Writes a batch in its own transaction and tells followers. A MAC of no node gets timeline rows only; discovery links them. */
export async function recordPhases(db: Db, seen: readonly PhaseSeen[]): Promise<void> {
  if (seen.length === 0) return;
  await withTransaction(db.pool, (tx) => writePhases(tx, seen));
  notify(db.pool);
}

/** The same inside the caller's transaction. Last of its writes: it adds the events. */
export async function writePhases(tx: Tx, seen: readonly PhaseSeen[]): Promise<void> {
  // One text for the whole batch: as arrays, each value is escaped by itself, which costs a server several times the time.
  const steps = JSON.stringify(seen.map(({ mac, at, kind, phase, data, detail }) => ({ mac, at, kind, phase, detail: { ...data, text: detail } })));
  const { rows } = await tx.query<{ node_id: number; version: number; mac: string; phase: string; detail: string }>({
    name: 'record-boot-steps',
    text: 'SELECT node_id, version, mac, phase, detail FROM record_boot_steps($1)',
    values: [steps],
  });
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
