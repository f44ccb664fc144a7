/**
 * The boot records of a node (DESIGN rule 6). Desired is written by the controller alone, here; observed is what the node
 * reports, in `node_status`, apart from the node row that is the mutex of its work (engine-rules 11). Whoever writes the
 * node row locks it first; the lock order is nodes, facts, the DHCP table, outbox.
 */
import type { BootClass } from '../generated/prisma/enums.js';
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { nodeChanged, type NodeField } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { NotFoundError } from '../shared/errors.js';
import { lockFact, raiseFact } from './facts.js';

export { sweepAlive } from './alive.js';

/**
 * What the node shall boot from now on. Raises the desired generation and tells so, unless it is that already: then
 * nothing changes and the present generation comes back. The caller commits and notifies. The node's DHCP entries carry the
 * new generation with the same commit (prisma/functions/86_change_node.sql), so call it when every other lock is held.
 */
export async function setDesiredBootenv(tx: Tx, wish: { nodeId: number; bootenv: string; reason: string }): Promise<{ generation: number }> {
  const { rows } = await tx.query<{ generation: number | null }>('SELECT set_desired_bootenv($1, $2, $3) AS generation', [
    wish.nodeId,
    wish.bootenv,
    wish.reason,
  ]);
  const generation = rows[0]?.generation ?? undefined;
  if (generation === undefined) throw new NotFoundError('node', wish.nodeId);
  return { generation };
}

export type BootReport = {
  nodeId: number;
  bootId: string;
  bootClass: BootClass;
  bootenv: string | null;
  address: string | null;
  /** The installation the running system came from, when it says so. */
  installId?: number | null;
};

/**
 * The node is up and says in which boot. The first report of a boot id raises the boot epoch and the fact `boot:<node>`
 * and makes the node alive; what is valid for one boot is wanted again. A repeated one only refreshes. An installer brings no agent and ends no validity
 * (engine-rules 16): it is written down, and neither the epoch nor alive move.
 */
export async function recordBoot(tx: Tx, report: BootReport): Promise<{ bootEpoch: number; isNew: boolean }> {
  const { rows } = await tx.query<{
    alive: boolean;
    boot_epoch: number;
    version: number;
    boot_id: string | null;
  }>(
    `SELECT n.alive, n.boot_epoch, n.version, (SELECT s.boot_id FROM node_status s WHERE s.node_id = n.id) AS boot_id
       FROM nodes n WHERE n.id = $1 FOR NO KEY UPDATE OF n`,
    [report.nodeId],
  );
  const node = rows[0];
  if (node === undefined) throw new NotFoundError('node', report.nodeId);
  const isNew = node.boot_id !== report.bootId;
  const isInstaller = report.bootClass === 'installer';
  const bootEpoch = isNew && !isInstaller ? node.boot_epoch + 1 : node.boot_epoch;
  // Nothing of an earlier boot runs when an installer has been booted.
  const alive = isInstaller ? node.alive && !isNew : true;
  await observe(tx, report);
  const changed: NodeField[] = [];
  if (isNew) changed.push('boot');
  if (alive !== node.alive) changed.push('alive');
  if (changed.length === 0) return { bootEpoch, isNew };
  await tx.query(`UPDATE nodes SET boot_epoch = $2, boot_class = $3, alive = $4, version = version + 1 WHERE id = $1`, [
    report.nodeId,
    bootEpoch,
    report.bootClass,
    alive,
  ]);
  if (isNew && !isInstaller) {
    // Who waits for this boot is still seen to wait, and is woken by nobody else meanwhile.
    await lockFact(tx, `boot:${report.nodeId}`);
    await tx.query('SELECT end_boot_validity($1, $2)', [report.nodeId, report.bootClass]);
    await raiseFact(tx, `boot:${report.nodeId}`, bootEpoch, {
      boot_id: report.bootId,
      class: report.bootClass,
      install_id: report.installId ?? null,
    });
  }
  await writeEvents(tx, [nodeChanged(report.nodeId, node.version + 1, changed)]);
  return { bootEpoch, isNew };
}

async function observe(tx: Tx, report: BootReport): Promise<void> {
  await tx.query(
    `INSERT INTO node_status (node_id, boot_id, boot_class, bootenv, address, heartbeat_at)
     VALUES ($1, $2, $3, $4, $5, clock_timestamp())
     ON CONFLICT (node_id) DO UPDATE SET boot_id = EXCLUDED.boot_id, boot_class = EXCLUDED.boot_class,
       bootenv = coalesce(EXCLUDED.bootenv, node_status.bootenv), address = coalesce(EXCLUDED.address, node_status.address),
       heartbeat_at = EXCLUDED.heartbeat_at`,
    [report.nodeId, report.bootId, report.bootClass, report.bootenv, report.address],
  );
}

/**
 * A sign of life of the running boot. A node that had been given up and is back in the same boot is alive again
 * (engine-rules 21). False when the boot id is not the one that runs: the sender is of an older boot.
 */
export async function recordHeartbeat(db: Db, nodeId: number, bootId: string): Promise<boolean> {
  const { rows } = await db.pool.query<{ alive: boolean }>(
    `UPDATE node_status s SET heartbeat_at = clock_timestamp() FROM nodes n
      WHERE s.node_id = $1 AND s.boot_id = $2 AND n.id = s.node_id RETURNING n.alive`,
    [nodeId, bootId],
  );
  const node = rows[0];
  if (node === undefined) return false;
  if (!node.alive) await revive(db, nodeId, bootId);
  return true;
}

async function revive(db: Db, nodeId: number, bootId: string): Promise<void> {
  await withTransaction(db.pool, async (tx) => {
    await tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
    const { rows } = await tx.query<{ version: number }>(
      `UPDATE nodes n SET alive = true, version = n.version + 1 FROM node_status s
        WHERE n.id = $1 AND NOT n.alive AND s.node_id = n.id AND s.boot_id = $2 RETURNING n.version`,
      [nodeId, bootId],
    );
    const row = rows[0];
    if (row !== undefined) await writeEvents(tx, [nodeChanged(nodeId, row.version, ['alive'])]);
  });
  notify(db.pool);
}
