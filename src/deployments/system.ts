/** What every installation has: the system deployment, the admin node, and on it the roles flagged `bootstrap`. */
import os from 'node:os';
import { withTransaction } from '../db/client.js';
import { bindEach } from '../noderoles/discovery.js';
import type { Governed } from '../noderoles/vetoes.js';

const SEED_LOCK = 728_003;

/**
 * Idempotent, and safe when two processes start together. Roles must have been imported. Answers the bootstrap roles that
 * could not be bound, with the reason: one that somebody imported must not stop the start.
 */
export async function ensureSystem(db: Governed): Promise<{ role: string; problem: string }[]> {
  const { deploymentId, adminId } = await withTransaction(db.pool, async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [SEED_LOCK]);
    await tx.query(
      `INSERT INTO deployments (name, description, system, committed_at) VALUES ('system', 'What Prybar itself needs; every other deployment is below it', true, clock_timestamp()) ON CONFLICT (name) DO NOTHING`,
    );
    const deployment = await tx.query<{ id: number }>('SELECT id FROM deployments WHERE system');
    const deploymentId = deployment.rows[0]?.id ?? 0;
    await tx.query(
      `INSERT INTO nodes (name, description, deployment_id, kind, alive, bootenv, boot_reason) VALUES ('admin', $2, $1, 'admin', true, 'local', 'runs Prybar') ON CONFLICT (name) DO NOTHING`,
      [deploymentId, `The machine Prybar runs on (${os.hostname()})`],
    );
    const admin = await tx.query<{ id: number }>(`SELECT id FROM nodes WHERE kind = 'admin' ORDER BY id LIMIT 1`);
    const adminId = admin.rows[0]?.id ?? 0;
    await tx.query(
      `INSERT INTO node_status (node_id, boot_class, bootenv, phase, phase_detail) VALUES ($1, 'installed', 'local', 'disk', 'runs Prybar') ON CONFLICT (node_id) DO NOTHING`,
      [adminId],
    );
    return { deploymentId, adminId };
  });
  const { rows } = await db.pool.query<{ id: number; name: string }>(
    `SELECT ro.id, ro.name FROM roles ro WHERE 'bootstrap' = ANY(ro.flags) AND ro.retired_at IS NULL AND NOT EXISTS (SELECT 1 FROM node_roles nr WHERE nr.role_id = ro.id AND nr.node_id = $1 AND nr.committed) ORDER BY ro.cohort, ro.id`,
    [adminId],
  );
  const refused = await bindEach(
    db,
    rows.map((role) => ({ roleId: role.id, nodeId: adminId, deploymentId })),
    'system',
  );
  return refused.map(({ roleId, error }) => ({ role: rows.find((role) => role.id === roleId)?.name ?? String(roleId), problem: error.message }));
}
