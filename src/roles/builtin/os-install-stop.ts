/**
 * What is undone when an installation is broken off: cancelled, failed for good, or proposed again. The install is
 * disarmed, so that the machine's next PXE boot gets no installer, and the machine is parked (engine-rules 17).
 */
import type { Tx } from '../../db/client.js';
import type { HookAnswer, HookContext, HookItem, RoleHooks } from '../../hooks/hooks.js';

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
