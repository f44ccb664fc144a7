/** The phantom node of a deployment: no machine, always alive; services and barriers live on it (engine.md 1.2). */
import type { Tx } from '../db/client.js';

/** Makes those that are missing. Answers the phantom of each deployment. */
export async function ensurePhantoms(tx: Tx, deploymentIds: readonly number[]): Promise<Map<number, number>> {
  await tx.query(
    `INSERT INTO nodes (name, description, deployment_id, kind, alive, bootenv, boot_reason)
     SELECT d.name || '-phantom', 'No machine: holds the services and barriers of ' || d.name, d.id, 'phantom', true, 'local', 'no machine'
       FROM deployments d WHERE d.id = ANY($1) AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.deployment_id = d.id AND n.kind = 'phantom')
      ORDER BY d.id ON CONFLICT (name) DO NOTHING`,
    [deploymentIds],
  );
  const { rows } = await tx.query<{ id: number; deployment_id: number }>(
    `SELECT min(id) AS id, deployment_id FROM nodes WHERE kind = 'phantom' AND deployment_id = ANY($1) GROUP BY deployment_id`,
    [deploymentIds],
  );
  return new Map(rows.map((row) => [row.deployment_id, row.id]));
}
