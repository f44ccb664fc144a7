/** The hooks of the roles that ship with Prybar, with what they need of other domains. Wiring only. */
import type { Db } from '../db/client.js';
import type { RoleHooks } from '../hooks/hooks.js';
import type { Governed } from '../noderoles/vetoes.js';
import type { Doorbell } from '../queue/produce.js';
import { bindDiscoveryRoles } from '../noderoles/discovery.js';
import { dhcpDatabaseHooks } from '../roles/builtin/dhcp-database.js';
import { disarmInstall } from '../bootenvs/installs.js';
import { setDesiredBootenv } from '../nodes/boot.js';
import { managedNodeHooks } from '../roles/builtin/managed-node.js';
import { osInstallHooks } from '../roles/builtin/os-install-stop.js';

export function roleHooks({ db, doorbell }: { db: Db & Governed; doorbell: Pick<Doorbell, 'kick'> }): ReadonlyMap<string, RoleHooks> {
  return new Map([
    ['dhcp-database', dhcpDatabaseHooks],
    ['provisioner-os-install', osInstallHooks({ disarmInstall, setDesiredBootenv })],
    ['managed-node', managedNodeHooks({ pool: db.pool, bind: (nodeId) => bindDiscoveryRoles(db, nodeId), kick: () => doorbell.kick() })],
  ]);
}
