/**
 * What is undone when an installation is broken off. Cancelled or proposed again, the transaction that decides it disarms
 * the install and parks the machine (prisma/functions/32_stop.sql); what may write on the disk already is then cut off
 * by `undoInstall`, which proves the machine free (engine-rules 1, 17). Failed for good, the hook here disarms and parks.
 */
import type { Pool, Tx } from '../../db/client.js';
import type { HookAnswer, HookContext, HookItem, RoleHooks } from '../../hooks/hooks.js';
import type { StopContext, Stopped } from '../../jigs/contract.js';

export type StopPorts = {
  disarmInstall(tx: Tx, nodeId: number, reason: string): Promise<{ installId: number; status: string } | null>;
  setDesiredBootenv(tx: Tx, wish: { nodeId: number; bootenv: string; reason: string }): Promise<unknown>;
};

const PARKED = 'maintenance';

export function osInstallHooks(ports: StopPorts): RoleHooks {
  const stop = async (items: HookItem[], ctx: HookContext): Promise<HookAnswer[]> => {
    const answers: HookAnswer[] = [];
    for (const { subjectId } of items) {
      await ctx.transaction((tx) => disarm(tx, ports, subjectId));
      answers.push({ subjectId, ok: true });
    }
    return answers;
  };
  return { onError: stop, onProposed: stop };
}

/** Reads what is true now: a retry may have been faster, and then nothing is to be undone. */
async function disarm(tx: Tx, ports: StopPorts, nodeRoleId: number): Promise<void> {
  const { rows } = await tx.query<{ node_id: number; state: string }>(
    'SELECT nr.node_id, nr.state FROM node_roles nr JOIN nodes n ON n.id = nr.node_id WHERE nr.id = $1 FOR NO KEY UPDATE OF n',
    [nodeRoleId],
  );
  const row = rows[0];
  if (!row || (row.state !== 'ERROR' && row.state !== 'PROPOSED')) return;
  const open = await tx.query(`SELECT 1 FROM installs WHERE node_id = $1 AND node_role_id = $2 AND status IN ('armed', 'fetched', 'wiping')`, [
    row.node_id,
    nodeRoleId,
  ]);
  if (open.rowCount === 0) return;
  const ended = await ports.disarmInstall(tx, row.node_id, `its noderole is ${row.state}`);
  if (ended) await ports.setDesiredBootenv(tx, { nodeId: row.node_id, bootenv: PARKED, reason: `install ${ended.installId} was broken off (${ended.status})` });
}

export type UndoPorts = {
  pool: Pool;
  hasBmc(nodeId: number): Promise<boolean>;
  /** Off, and on again into PXE; resolves when the BMC said off in between. */
  cutPower(nodeId: number, signal: AbortSignal, mayAct: () => boolean): Promise<void>;
};

/**
 * Makes sure that no installer writes on the machine's disk any more. One that has fetched its answers is cut off by the
 * BMC; without a BMC only the machine's next boot, or an operator, proves it.
 */
export async function undoInstall(ports: UndoPorts, ctx: StopContext): Promise<Stopped> {
  const { rows } = await ports.pool.query<{ id: number; status: string; fetched: boolean }>(
    'SELECT id, status, coalesce(fetched_at, wiping_at) IS NOT NULL AS fetched FROM installs WHERE node_role_id = $1 AND node_id = $2 ORDER BY id DESC LIMIT 1',
    [ctx.noderole.id, ctx.node.id],
  );
  const install = rows[0];
  if (!install) return { proof: 'nothing was armed' };
  if (install.status === 'completed') return { proof: `install ${install.id} was complete: no installer is at work` };
  if (!install.fetched) return { proof: `no installer had fetched its answers for install ${install.id}, and none gets them any more` };
  if (!(await ports.hasBmc(ctx.node.id))) {
    return { note: `install ${install.id} may still be writing and no BMC is known: power-cycle the machine by hand, its next boot frees it` };
  }
  ctx.log(`install ${install.id} is broken off (${install.status}): power off, then on into ${PARKED}`);
  await ports.cutPower(ctx.node.id, ctx.signal, ctx.mayAct);
  return { proof: 'the BMC has switched the machine off' };
}
