/** The roles that are functions in the server, with what they need of other domains. Wiring only. */
import { armInstall } from '../bootenvs/installs.js';
import type { RoleFunction } from '../jigs/contract.js';
import { setDesiredBootenv } from '../nodes/boot.js';
import { evaluateServed } from '../nodes/served.js';
import { withTransaction } from '../db/client.js';
import { notify } from '../events/outbox.js';
import { powerAction } from '../power/act.js';
import { provisionerOsInstall } from '../roles/builtin/provisioner-os-install.js';
import type { Context } from './context.js';

export function roleFunctions(context: Context): ReadonlyMap<string, RoleFunction> {
  const { db, config } = context;
  return new Map([
    [
      'provisioner-os-install',
      provisionerOsInstall({
        db,
        defaultOs: config.targetOs,
        installDeadlineSeconds: config.installDeadlineSeconds,
        bootDeadlineSeconds: config.bootDeadlineSeconds,
        armInstall,
        setDesiredBootenv,
        waitingFor: (nodeId) => withTransaction(db.pool, async (tx) => (await evaluateServed(tx, nodeId)).waitingFor),
        afterCommit: () => notify(db.pool),
        hasBmc: async (nodeId) => (await db.prisma.bmc.count({ where: { nodeId } })) > 0,
        powerCycleToPxe: (nodeId, signal) => powerAction(db, { nodeId, action: 'cycle', nextBoot: 'pxe', signal }),
      }),
    ],
  ]);
}
