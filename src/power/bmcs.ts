/** The rows of `bmcs`: where a node's BMC is, and what it said last. */
import { withTransaction, type Db } from '../db/client.js';
import { nodeChanged } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { AppError, NotFoundError } from '../shared/errors.js';
import type { BmcAddress, MachineRef, PowerState } from './power.js';
import type { Secrets } from './secrets.js';

export type BmcSpec = { driver: string; address: string; port: number; username: string; password: string };

/** Sets or replaces the node's BMC; its power is unknown until somebody asks. Throws NotFoundError. */
export async function setBmc(db: Db, secrets: Pick<Secrets, 'encrypt'>, nodeId: number, spec: BmcSpec): Promise<void> {
  await withTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ version: number }>('SELECT version FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
    if (rows[0] === undefined) throw new NotFoundError('node', nodeId);
    await tx.query(
      `INSERT INTO bmcs (node_id, driver, address, port, username, secret) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (node_id) DO UPDATE SET driver = EXCLUDED.driver, address = EXCLUDED.address, port = EXCLUDED.port,
         username = EXCLUDED.username, secret = EXCLUDED.secret, power = 'unknown', last_error = NULL, checked_at = NULL`,
      [nodeId, spec.driver, spec.address, spec.port, spec.username, spec.password === '' ? '' : secrets.encrypt(spec.password)],
    );
    const updated = await tx.query<{ version: number }>('UPDATE nodes SET version = version + 1 WHERE id = $1 RETURNING version', [nodeId]);
    await writeEvents(tx, [nodeChanged(nodeId, updated.rows[0]?.version ?? 0, ['bmc'])]);
  });
  notify(db.pool);
}

/** The node's BMC with its machine's serial number and running boot. Throws NotFoundError, AppError `no-bmc`. */
export async function readBmc(
  db: Db,
  secrets: Pick<Secrets, 'decrypt'>,
  nodeId: number,
): Promise<{ bmc: BmcAddress; machine: MachineRef; bootId: string | null }> {
  const { rows } = await db.pool.query<{
    name: string;
    serial: string | null;
    firmware: string | null;
    driver: string | null;
    address: string;
    port: number;
    username: string;
    secret: string;
    boot_id: string | null;
  }>(
    `SELECT n.name, n.serial, n.discovery->>'firmware' AS firmware, b.driver, b.address, b.port, b.username, b.secret, s.boot_id
       FROM nodes n LEFT JOIN bmcs b ON b.node_id = n.id LEFT JOIN node_status s ON s.node_id = n.id WHERE n.id = $1`,
    [nodeId],
  );
  const row = rows[0];
  if (row === undefined) throw new NotFoundError('node', nodeId);
  if (row.driver === null) throw new AppError('no-bmc', 409, false, `node ${row.name} has no BMC; set one with PUT /api/v2/nodes/${nodeId}/bmc`);
  return {
    bmc: { driver: row.driver, address: row.address, port: row.port, username: row.username, password: secrets.decrypt(row.secret) },
    machine: { serial: row.serial ?? row.name, isUefi: row.firmware === 'uefi' },
    bootId: row.boot_id,
  };
}

/** What the BMC said, or why it said nothing; `checked_at` rises only with an answer. */
export async function recordPower(db: Db, nodeId: number, seen: { power: PowerState } | { error: string }): Promise<void> {
  if ('power' in seen) {
    await db.pool.query('UPDATE bmcs SET power = $2, last_error = NULL, checked_at = clock_timestamp() WHERE node_id = $1', [nodeId, seen.power]);
  } else {
    await db.pool.query('UPDATE bmcs SET last_error = left($2, 1000) WHERE node_id = $1', [nodeId, seen.error]);
  }
}
