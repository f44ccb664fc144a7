/**
 * Making a node row with its NICs: by discovery or by the operator. Both first take the machine's identity locks, so that
 * two boots of one machine, or a boot and a registration, make one node (engine.md 5.5 item 17).
 */
import type { Tx } from '../db/client.js';
import type { NodeCreated } from '../events/events.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';

/** Serialises everybody who looks up or registers any of these MACs or this UUID, until the transaction ends. */
export async function lockIdentity(tx: Tx, macs: readonly string[], uuid: string | null): Promise<void> {
  const keys = macs.map((mac) => `mac ${mac}`);
  if (uuid !== null) keys.push(`uuid ${uuid}`);
  // Taken in the order of the keys' hashes, the same for everybody: no deadlock.
  await tx.query(`SELECT pg_advisory_xact_lock(k.key) FROM (SELECT DISTINCT hashtextextended(t, 7) AS key FROM unnest($1::text[]) AS t ORDER BY key) k`, [
    keys,
  ]);
}

export type NewNode = {
  name: string;
  /** Null: the system deployment. */
  deploymentId: number | null;
  nics: { mac: string; name: string; boot: boolean }[];
  arch?: string;
  uuid?: string | null;
  serial?: string | null;
  discovery?: Record<string, unknown>;
  description?: string;
};

/**
 * Inserts the node, wanting the discovery image, and returns it with the event the caller writes.
 * Throws ConflictError when its name or a MAC is taken. The caller holds `lockIdentity`.
 */
export async function insertNode(tx: Tx, node: NewNode): Promise<{ nodeId: number; event: NodeCreated }> {
  const { rows } = await tx.query<{ id: number; deployment_id: number; version: number }>(
    `INSERT INTO nodes (name, description, deployment_id, arch, uuid, serial, discovery)
     SELECT $1, $2, d.id, coalesce($4, 'x86_64'), $5, $6, $7 FROM deployments d
      WHERE CASE WHEN $3::int IS NULL THEN d.system ELSE d.id = $3 END
     ON CONFLICT (name) DO NOTHING RETURNING id, deployment_id, version`,
    [node.name, node.description ?? '', node.deploymentId, node.arch ?? null, node.uuid ?? null, node.serial ?? null, JSON.stringify(node.discovery ?? {})],
  );
  const row = rows[0];
  if (row === undefined) throw await whyNotInserted(tx, node);
  const macs = node.nics.map((nic) => nic.mac);
  const inserted = await tx.query(
    `INSERT INTO nics (node_id, mac, name, boot) SELECT $1, c.mac, c.name, c.boot
       FROM unnest($2::text[], $3::text[], $4::boolean[]) WITH ORDINALITY AS c(mac, name, boot, n) ORDER BY c.n
     ON CONFLICT (mac) DO NOTHING`,
    [row.id, macs, node.nics.map((nic) => nic.name), node.nics.map((nic) => nic.boot)],
  );
  if (inserted.rowCount !== macs.length) throw await whoHasTheMac(tx, row.id, macs);
  return {
    nodeId: row.id,
    event: {
      kind: 'node-created',
      subjectType: 'node',
      subjectId: row.id,
      version: row.version,
      data: { name: node.name, deployment_id: row.deployment_id, macs },
    },
  };
}

async function whyNotInserted(tx: Tx, node: NewNode): Promise<ConflictError | NotFoundError> {
  const { rowCount } = await tx.query('SELECT 1 FROM nodes WHERE name = $1', [node.name]);
  if (rowCount !== null && rowCount > 0) return new ConflictError(`a node named ${node.name} exists already`, { code: 'name-taken' });
  return new NotFoundError('deployment', node.deploymentId ?? 'system');
}

async function whoHasTheMac(tx: Tx, nodeId: number, macs: string[]): Promise<ConflictError> {
  const { rows } = await tx.query<{ mac: string; name: string }>(
    'SELECT c.mac, n.name FROM nics c JOIN nodes n ON n.id = c.node_id WHERE c.mac = ANY($1) AND n.id <> $2 ORDER BY c.mac',
    [macs, nodeId],
  );
  const taken = rows.map((row) => `${row.mac} belongs to ${row.name}`).join(', ');
  return new ConflictError(taken === '' ? 'a MAC is listed twice' : taken, { code: 'mac-taken' });
}
