/**
 * The life of one OS installation (engine-rules 15): armed -> fetched -> wiping -> completed, and unknown or abandoned when
 * it is broken off. Only armed and fetched hand out installer files; nothing here ever makes a second install id for a
 * noderole unless `redeployInstall` was asked for. Every step that a machine reports is in `install-reports.ts`.
 *
 * Lock order: node, install, tokens, fact, outbox. Every writer takes the node row first.
 */
import type { Tx } from '../db/client.js';
import type { DomainEvent } from '../events/events.js';
import { writeEvents } from '../events/outbox.js';
import type { InstallStatus } from '../generated/prisma/enums.js';
import { raiseFact } from '../nodes/facts.js';
import { revokeTokens } from '../nodes/tokens.js';
import { ConflictError } from '../shared/errors.js';

/** What is installed. Keys are the wire's; nothing in it is a secret other than a password hash. */
export type InstallSpec = {
  target_os?: string;
  /** Disk to install on, `sda` or a path below /dev; absent: the first one. */
  disk?: string;
  hostname?: string;
  packages?: string[];
  params?: Record<string, unknown>;
};

/** Generations of the fact `install:<id>`, which waits look at. */
export const INSTALL_FACT = { fetched: 1, wiping: 2, completed: 3 } as const;

export type InstallRow = {
  id: number;
  nodeId: number;
  nodeRoleId: number;
  bootenv: string;
  status: InstallStatus;
  spec: Record<string, unknown>;
  fetches: number;
  source: string | null;
};

const COLUMNS = `id, node_id AS "nodeId", node_role_id AS "nodeRoleId", bootenv, status, spec, fetches, source`;

/** Takes the node's lock, which every change of an install holds. False when there is no such node. */
export async function lockNode(tx: Tx, nodeId: number): Promise<boolean> {
  const { rowCount } = await tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
  return rowCount === 1;
}

/** The install, locked; the caller holds its node's lock. */
export async function lockInstall(tx: Tx, installId: number): Promise<InstallRow | undefined> {
  const { rows } = await tx.query<InstallRow>(`SELECT ${COLUMNS} FROM installs WHERE id = $1 FOR UPDATE`, [installId]);
  return rows[0];
}

/** The event of a changed install. */
export function installChanged(install: InstallRow, status: InstallStatus, reason?: string): DomainEvent {
  return {
    kind: 'install-changed',
    subjectType: 'install',
    subjectId: install.id,
    version: 0,
    data: {
      node_id: install.nodeId,
      noderole_id: install.nodeRoleId,
      bootenv: install.bootenv,
      from: install.status,
      to: status,
      ...(reason === undefined ? {} : { reason }),
    },
  };
}

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
export async function armInstall(
  tx: Tx,
  wish: { nodeId: number; nodeRoleId: number; bootenv: string; spec: InstallSpec },
): Promise<ArmedInstall> {
  await lockNode(tx, wish.nodeId);
  const { rows } = await tx.query<InstallRow>(
    `SELECT ${COLUMNS} FROM installs WHERE node_id = $1 AND (node_role_id = $2 OR status IN ('armed', 'fetched', 'wiping'))
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
  await tx.query(
    `UPDATE installs SET status = 'armed', bootenv = $2, spec = $3, fetches = 0, fetched_at = NULL, armed_at = clock_timestamp() WHERE id = $1`,
    [latest.id, wish.bootenv, JSON.stringify(wish.spec)],
  );
  if (latest.status !== 'armed') await writeEvents(tx, [installChanged(latest, 'armed')]);
  return { installId: latest.id, status: 'armed' };
}

async function insertInstall(tx: Tx, wish: { nodeId: number; nodeRoleId: number; bootenv: string; spec: InstallSpec }): Promise<ArmedInstall> {
  const { rows } = await tx.query<InstallRow>(
    `INSERT INTO installs (node_id, node_role_id, bootenv, spec, armed_at) VALUES ($1, $2, $3, $4, clock_timestamp()) RETURNING ${COLUMNS}`,
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
    `SELECT ${COLUMNS} FROM installs WHERE node_id = $1 AND status IN ('armed', 'fetched', 'wiping') FOR UPDATE`,
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
    `SELECT ${COLUMNS} FROM installs WHERE node_id = $1 AND node_role_id = $2 ORDER BY id DESC LIMIT 1 FOR UPDATE`,
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

/** Moves an open install on, raises its fact and returns the event, which the caller writes last. Never moves it back. */
export async function advanceInstall(
  tx: Tx,
  install: InstallRow,
  to: { status: 'fetched' | 'wiping' | 'completed'; detail: Record<string, unknown> },
): Promise<DomainEvent> {
  const column = { fetched: 'fetched_at', wiping: 'wiping_at', completed: 'ended_at' }[to.status];
  await tx.query(`UPDATE installs SET status = $2, ${column} = clock_timestamp() WHERE id = $1`, [install.id, to.status]);
  await raiseFact(tx, `install:${install.id}`, INSTALL_FACT[to.status], { ...to.detail, status: to.status });
  return installChanged(install, to.status);
}

/** The status of an install, for whoever re-reads it after a wake; null when there is none. */
export async function readInstall(tx: Pick<Tx, 'query'>, installId: number): Promise<InstallRow | null> {
  const { rows } = await tx.query<InstallRow>(`SELECT ${COLUMNS} FROM installs WHERE id = $1`, [installId]);
  return rows[0] ?? null;
}
