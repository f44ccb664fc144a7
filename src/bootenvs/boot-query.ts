/** What the database says about a machine that asks for its script: one statement, read at fetch time (engine-rules 6, last gate). */
import type { Queryable } from '../db/client.js';
import type { InstallState } from './decide.js';

export type BootSubject = {
  node: { id: number; name: string; bootenv: string; deleting: boolean; arch: string; uuid: string | null; serial: string | null } | null;
  install: (InstallState & { spec: unknown }) | null;
  /** The network on which the address is leased to, or reserved for, this MAC; null when it is not. */
  network: { domain: string; dns: string[]; router: string | null } | null;
};

type Row = {
  node: BootSubject['node'];
  install: BootSubject['install'];
  network: BootSubject['network'];
};

/** Reads node, latest install and lease. Indexes: nics.mac, installs(node_id, id), leases and reservations by address. Throws what the database throws. */
export async function readBootSubject(db: Queryable, mac: string, address: string): Promise<BootSubject> {
  const { rows } = await db.query<Row>(
    `SELECT CASE WHEN n.id IS NULL THEN NULL ELSE jsonb_build_object('id', n.id, 'name', n.name, 'bootenv', n.bootenv, 'deleting', n.deleting,
              'arch', n.arch, 'uuid', n.uuid, 'serial', n.serial) END AS node,
            CASE WHEN i.id IS NULL THEN NULL ELSE jsonb_build_object('id', i.id, 'bootenv', i.bootenv, 'status', i.status, 'fetches', i.fetches,
              'spec', i.spec) END AS install,
            CASE WHEN w.id IS NULL THEN NULL ELSE jsonb_build_object('domain', w.domain, 'dns', w.dns, 'router', w.router) END AS network
       FROM (VALUES (1)) AS one
       LEFT JOIN nics c ON c.mac = $1
       LEFT JOIN nodes n ON n.id = c.node_id
       LEFT JOIN LATERAL (SELECT * FROM installs x WHERE x.node_id = n.id ORDER BY x.id DESC LIMIT 1) i ON true
       LEFT JOIN LATERAL (
         SELECT l.network_id FROM leases l WHERE l.address = $2 AND l.mac = $1 AND l.state = 'active' AND l.expires_at > clock_timestamp()
         UNION ALL SELECT r.network_id FROM reservations r WHERE r.address = $2 AND r.mac = $1 LIMIT 1
       ) held ON true
       LEFT JOIN networks w ON w.id = held.network_id`,
    [mac, address],
  );
  return rows[0] ?? { node: null, install: null, network: null };
}
