/**
 * The row of an install and the three things everybody does with it: lock it, read it, move it on with its fact and event.
 * Lock order: node, install, tokens, fact, outbox. Every writer takes the node row first.
 */
import type { Tx } from '../db/client.js';
import type { DomainEvent } from '../events/events.js';
import type { InstallStatus } from '../generated/prisma/enums.js';
import { raiseFact } from '../nodes/facts.js';

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

export const INSTALL_COLUMNS = `id, node_id AS "nodeId", node_role_id AS "nodeRoleId", bootenv, status, spec, fetches, source`;

/** Takes the node's lock, which every change of an install holds. False when there is no such node. */
export async function lockNode(tx: Tx, nodeId: number): Promise<boolean> {
  const { rowCount } = await tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
  return rowCount === 1;
}

/** The install, locked; the caller holds its node's lock. */
export async function lockInstall(tx: Tx, installId: number): Promise<InstallRow | undefined> {
  const { rows } = await tx.query<InstallRow>(`SELECT ${INSTALL_COLUMNS} FROM installs WHERE id = $1 FOR UPDATE`, [installId]);
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
  const { rows } = await tx.query<InstallRow>(`SELECT ${INSTALL_COLUMNS} FROM installs WHERE id = $1`, [installId]);
  return rows[0] ?? null;
}
