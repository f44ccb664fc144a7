/** The roles that are functions in the server, with what they need of other domains. Wiring only. */
import { armInstall } from '../bootenvs/installs.js';
import { withTransaction } from '../db/client.js';
import { notify } from '../events/outbox.js';
import type { RoleFunction, StopContext } from '../jigs/contract.js';
import { setDesiredBootenv } from '../nodes/boot.js';
import { evaluateServed } from '../nodes/served.js';
import { powerAction } from '../power/act.js';
import { createBmcLocks } from '../power/exclusive.js';
import { openSecrets } from '../power/secrets.js';
import { barrier } from '../roles/builtin/barrier.js';
import { undoInstall, type UndoPorts } from '../roles/builtin/os-install-stop.js';
import { provisionerOsInstall } from '../roles/builtin/provisioner-os-install.js';
import type { Context } from './context.js';

/** Roles that have a function, for who only checks that there is one. */
export const ROLES_WITH_FUNCTIONS: ReadonlySet<string> = new Set(['provisioner-os-install']);

/** `close` lets go of the connection that keeps BMC commands apart. */
export async function openRoleFunctions(context: Context): Promise<{ functions: ReadonlyMap<string, RoleFunction>; close(): Promise<void> }> {
  const { db, config } = context;
  const secrets = await openSecrets(config.home);
  const locks = createBmcLocks(db.url);
  const osInstall = provisionerOsInstall({
    db,
    defaultOs: config.targetOs,
    installDeadlineSeconds: config.installDeadlineSeconds,
    bootDeadlineSeconds: config.bootDeadlineSeconds,
    armInstall,
    setDesiredBootenv,
    waitingFor: (nodeId) => withTransaction(db.pool, async (tx) => (await evaluateServed(tx, nodeId)).waitingFor),
    afterCommit: () => notify(db.pool),
    hasBmc: async (nodeId) => (await db.prisma.bmc.count({ where: { nodeId } })) > 0,
    powerCycleToPxe: (nodeId, signal, mayAct) => powerAction(db, { nodeId, action: 'cycle', nextBoot: 'pxe', signal, mayAct }, { secrets, locks }),
  });
  const undo: UndoPorts = {
    pool: db.pool,
    hasBmc: async (nodeId) => (await db.prisma.bmc.count({ where: { nodeId } })) > 0,
    async cutPower(nodeId, signal, mayAct) {
      await powerAction(db, { nodeId, action: 'off', nextBoot: null, signal, mayAct }, { secrets, locks });
      await powerAction(db, { nodeId, action: 'on', nextBoot: 'pxe', signal, mayAct }, { secrets, locks });
    },
  };
  return {
    functions: new Map([
      ['provisioner-os-install', Object.assign(osInstall, { onStop: (ctx: StopContext) => undoInstall(undo, ctx) })],
      ['barrier', barrier(db.pool)],
    ]),
    close: () => locks.close(),
  };
}
