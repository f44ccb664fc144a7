/** What the database says about a machine that asks for its script: one statement, read at fetch time (engine-rules 6, last gate). */
import type { Queryable } from '../db/client.js';
import { batched } from '../shared/batched.js';
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

export type BootQuestion = { mac: string; address: string };

/** Questions of one statement at most: a rack that boots at once asks together. */
const BATCH_MAX = 100;

const readers = new WeakMap<Queryable, (asked: BootQuestion) => Promise<BootSubject>>();

/**
 * Reads node, latest install and lease. Machines that ask at the same time share a statement that begins after the last of
 * them asked, so that each is answered with what is true now. Throws what the database throws.
 */
export function readBootSubject(db: Queryable, mac: string, address: string): Promise<BootSubject> {
  let reader = readers.get(db);
  if (reader === undefined) {
    reader = batched((asked: readonly BootQuestion[]) => readBootSubjects(db, asked), { batchMax: BATCH_MAX, atOnce: 2 });
    readers.set(db, reader);
  }
  return reader({ mac, address });
}

/** In the order of the questions. Indexes: nics.mac, installs(node_id, id), leases and reservations by address. */
export async function readBootSubjects(db: Queryable, asked: readonly BootQuestion[]): Promise<BootSubject[]> {
  const { rows } = await db.query<Row>(
    `SELECT CASE WHEN n.id IS NULL THEN NULL ELSE jsonb_build_object('id', n.id, 'name', n.name, 'bootenv', n.bootenv, 'deleting', n.deleting,
              'arch', n.arch, 'uuid', n.uuid, 'serial', n.serial) END AS node,
            CASE WHEN i.id IS NULL THEN NULL ELSE jsonb_build_object('id', i.id, 'bootenv', i.bootenv, 'status', i.status, 'fetches', i.fetches,
              'spec', i.spec) END AS install,
            CASE WHEN w.id IS NULL THEN NULL ELSE jsonb_build_object('domain', w.domain, 'dns', w.dns, 'router', w.router) END AS network
       FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked(mac, address, position)
       LEFT JOIN nics c ON c.mac = asked.mac
       LEFT JOIN nodes n ON n.id = c.node_id
       LEFT JOIN LATERAL (SELECT * FROM installs x WHERE x.node_id = n.id ORDER BY x.id DESC LIMIT 1) i ON true
       LEFT JOIN LATERAL (
         SELECT l.network_id FROM leases l WHERE l.address = asked.address AND l.mac = asked.mac AND l.state = 'active' AND l.expires_at > clock_timestamp()
         UNION ALL SELECT r.network_id FROM reservations r WHERE r.address = asked.address AND r.mac = asked.mac LIMIT 1
       ) held ON true
       LEFT JOIN networks w ON w.id = held.network_id
      ORDER BY asked.position`,
    [asked.map(({ mac }) => mac), asked.map(({ address }) => address)],
  );
  return rows;
}
