/**
 * `/boot-default/` as MOC's head nodes had it: the last line of a kickstart calls it, and the machine boots its disk from then
 * on. It carries no token, so it proves nothing but an address. Hence netboot-rules 21: networks ask for it one by one; it acts
 * only on the machine that holds the caller's lease, only while an installation of it is open, and the timeline says "unproven".
 */
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { notify, writeEvents } from '../events/outbox.js';
import { setDesiredBootenv } from '../nodes/boot.js';
import { writePhases } from '../nodes/phase.js';
import { revokeTokens } from '../nodes/tokens.js';
import { advanceInstall, lockInstall, lockNode } from './install-row.js';

/** What came of a call: the node whose installation it ended; null when it is nobody's business. */
export type LegacyAnswer = { nodeId: number; installId: number } | null;

/** Where the timeline says how much the call is worth. */
const UNPROVEN = 'unproven: /boot-default/ without a token';

const OPEN: ReadonlySet<string> = new Set(['armed', 'fetched', 'wiping']);

type Caller = { mac: string; node_id: number; install_id: number };

/**
 * Ends the open installation of the machine that the address is leased to, or reserved for. A second call finds none open and
 * does nothing. The system on the disk gets no token from it: whoever called has not shown to be the machine.
 */
export async function completeByAddress(db: Db, address: string): Promise<LegacyAnswer> {
  const { rows } = await db.pool.query<Caller>(
    `SELECT c.mac, c.node_id, i.id AS install_id
       FROM (SELECT l.network_id, l.mac FROM leases l WHERE l.address = $1 AND l.state = 'active' AND l.expires_at > clock_timestamp()
             UNION SELECT r.network_id, r.mac FROM reservations r WHERE r.address = $1) held
       JOIN networks w ON w.id = held.network_id AND w.legacy_boot_default
       JOIN nics c ON c.mac = held.mac
       JOIN LATERAL (SELECT x.id FROM installs x WHERE x.node_id = c.node_id ORDER BY x.id DESC LIMIT 1) i ON true`,
    [address],
  );
  const [caller, other] = rows;
  // A lease of one machine and a reservation of another for the same address: nobody can say who called.
  if (caller === undefined || other !== undefined) return null;
  const done = await withTransaction(db.pool, (tx) => complete(tx, caller, address));
  if (done) notify(db.pool);
  return done ? { nodeId: caller.node_id, installId: caller.install_id } : null;
}

async function complete(tx: Tx, caller: Caller, address: string): Promise<boolean> {
  await lockNode(tx, caller.node_id);
  const install = await lockInstall(tx, caller.install_id);
  // `armed` counts as open: on a head node the site's own server hands out the kickstart, and Prybar sees none of it.
  if (install === undefined || !OPEN.has(install.status)) return false;
  await tx.query('UPDATE installs SET source = $2 WHERE id = $1', [install.id, address]);
  await revokeTokens(tx, { nodeId: install.nodeId, kinds: ['disk', 'boot', 'install'] });
  const event = await advanceInstall(tx, install, { status: 'completed', detail: { proof: 'none', called: '/boot-default/', address } });
  await setDesiredBootenv(tx, { nodeId: install.nodeId, bootenv: 'local', reason: `install ${install.id} completed, ${UNPROVEN}` });
  const { rows } = await tx.query<{ at: Date }>('SELECT clock_timestamp() AS at');
  const at = rows[0]?.at ?? new Date(0);
  await writePhases(tx, [{ mac: caller.mac, kind: 'installed-unproven', phase: 'installed', detail: `${install.bootenv}, ${UNPROVEN}`, at }]);
  await writeEvents(tx, [event]);
  return true;
}
