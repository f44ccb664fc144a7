/**
 * The life of one OS installation (engine-rules 15): armed -> fetched -> wiping -> completed, and unknown or abandoned when
 * it is broken off. Only armed and fetched hand out installer files; nothing here ever makes a second install id for a
 * noderole unless `redeployInstall` was asked for. What the machine itself reports is in `install-reports.ts`; the first
 * fetch of its answers in `answers.ts`.
 */
import type { Tx } from '../db/client.js';
import { writeEvents } from '../events/outbox.js';
import type { InstallStatus } from '../generated/prisma/enums.js';
import { revokeTokens } from '../nodes/tokens.js';
import { ConflictError } from '../shared/errors.js';
import { INSTALL_COLUMNS, installChanged, lockNode, type InstallRow } from './install-row.js';

export { completeInstall, markWiping } from './install-reports.js';

/** What to install. `spec` is `{ targetOs, disk, hostname, packages, network, params }`, read by `install-spec.ts`. */
export type InstallWish = { nodeId: number; nodeRoleId: number; bootenv: string; spec: Record<string, unknown> };

export type ArmedInstall = {
  installId: number;
  /** `completed` when this noderole's installation is done: there is nothing to install, and nothing was armed. */
  status: 'armed' | 'completed';
};

/**
 * Arms the installation of a noderole. An attempt that never touched the disk is armed again under its id; a completed one
 * stays completed. Throws ConflictError `install-state-unknown` when the disk may be half written, `install-open` when
 * another noderole is installing this node. Safe to repeat.
 */
export async function armInstall(tx: Tx, wish: InstallWish): Promise<ArmedInstall> {
  await lockNode(tx, wish.nodeId);
  const { rows } = await tx.query<InstallRow>(
    `SELECT ${INSTALL_COLUMNS} FROM installs WHERE node_id = $1 AND (node_role_id = $2 OR status IN ('armed', 'fetched', 'wiping'))
      ORDER BY id DESC FOR UPDATE`,
    [wish.nodeId, wish.nodeRoleId],
  );
  const stranger = rows.find((row) => row.nodeRoleId !== wish.nodeRoleId);
  if (stranger !== undefined) {
    throw new ConflictError(`noderole ${stranger.nodeRoleId} is installing node ${wish.nodeId} (install ${stranger.id})`, { code: 'install-open' });
  }
  const latest = rows[0];
  if (latest?.status === 'completed') return { installId: latest.id, status: 'completed' };
  if (latest?.status === 'wiping' || latest?.status === 'unknown') {
    throw new ConflictError(`install ${latest.id} may have left the disk half written; redeploy to install again`, {
      code: 'install-state-unknown',
      details: { installId: latest.id, status: latest.status },
    });
  }
  if (latest === undefined || latest.status === 'abandoned') return insertInstall(tx, wish);
  await revokeTokens(tx, { installId: latest.id, kinds: ['boot', 'install'] });
  await tx.query(`UPDATE installs SET status = 'armed', bootenv = $2, spec = $3, fetches = 0, fetched_at = NULL, armed_at = clock_timestamp() WHERE id = $1`, [
    latest.id,
    wish.bootenv,
    JSON.stringify(wish.spec),
  ]);
  if (latest.status !== 'armed') await writeEvents(tx, [installChanged(latest, 'armed')]);
  return { installId: latest.id, status: 'armed' };
}

async function insertInstall(tx: Tx, wish: InstallWish): Promise<ArmedInstall> {
  const { rows } = await tx.query<InstallRow>(
    `INSERT INTO installs (node_id, node_role_id, bootenv, spec, armed_at) VALUES ($1, $2, $3, $4, clock_timestamp()) RETURNING ${INSTALL_COLUMNS}`,
    [wish.nodeId, wish.nodeRoleId, wish.bootenv, JSON.stringify(wish.spec)],
  );
  const install = rows[0];
  if (install === undefined) throw new Error('an inserted install came back without its row');
  await writeEvents(tx, [installChanged(install, 'armed')]);
  return { installId: install.id, status: 'armed' };
}

/**
 * Breaks off the node's open installation, e.g. on cancel or at the deadline: abandoned when the disk was not touched,
 * unknown when it may be half written. An unknown one keeps its completion token: a late callback is evidence. Null when
 * nothing was open.
 */
export async function disarmInstall(tx: Tx, nodeId: number, reason: string): Promise<{ installId: number; status: InstallStatus } | null> {
  await lockNode(tx, nodeId);
  const { rows } = await tx.query<InstallRow>(
    `SELECT ${INSTALL_COLUMNS} FROM installs WHERE node_id = $1 AND status IN ('armed', 'fetched', 'wiping') FOR UPDATE`,
    [nodeId],
  );
  const install = rows[0];
  if (install === undefined) return null;
  const status = install.status === 'wiping' ? 'unknown' : 'abandoned';
  await revokeTokens(tx, { installId: install.id, kinds: status === 'unknown' ? ['boot'] : ['boot', 'install'] });
  await endInstall(tx, install, status, reason);
  return { installId: install.id, status };
}

/**
 * An operator wants the noderole installed anew: whatever its last installation was is abandoned, every token of it dies,
 * and the next `armInstall` makes a new id. Returns the abandoned id, null when there was none.
 */
export async function redeployInstall(tx: Tx, which: { nodeId: number; nodeRoleId: number }, reason: string): Promise<number | null> {
  await lockNode(tx, which.nodeId);
  const { rows } = await tx.query<InstallRow>(
    `SELECT ${INSTALL_COLUMNS} FROM installs WHERE node_id = $1 AND node_role_id = $2 ORDER BY id DESC LIMIT 1 FOR UPDATE`,
    [which.nodeId, which.nodeRoleId],
  );
  const install = rows[0];
  if (install === undefined || install.status === 'abandoned') return null;
  await revokeTokens(tx, { installId: install.id });
  await endInstall(tx, install, 'abandoned', reason);
  return install.id;
}

async function endInstall(tx: Tx, install: InstallRow, status: InstallStatus, reason: string): Promise<void> {
  await tx.query('UPDATE installs SET status = $2, ended_at = clock_timestamp() WHERE id = $1', [install.id, status]);
  await writeEvents(tx, [installChanged(install, status, reason)]);
}
