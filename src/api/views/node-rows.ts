/**
 * Everything that the API shows of some nodes, read in one statement: the same through the ORM is ten statements and ten times
 * the CPU, for the answer to every change of a node and for every page of the list.
 */
import type { Db } from '../../db/client.js';
import type { BootClass } from '../../generated/prisma/enums.js';
import type { Bmc, Nic, StateCounts } from '../schemas.js';

export type NodeRow = {
  id: number;
  name: string;
  description: string;
  deployment: { id: number; name: string };
  kind: string;
  alive: boolean;
  available: boolean;
  arch: string;
  uuid: string | null;
  serial: string | null;
  dhcp_options: unknown;
  bootenv: string;
  desired_gen: number;
  boot_reason: string;
  created_at: Date;
  /** In the order they were found. */
  nics: Nic[];
  entries: { mac: string; bootenv: string; appliedGen: number; revision: number; deleted: boolean }[];
  /** Of `node_status`; null before the machine was seen. */
  booted: string | null;
  boot_id: string | null;
  boot_class: BootClass | null;
  phase: string | null;
  phase_detail: string | null;
  phase_at: Date | null;
  address: string | null;
  heartbeat_at: Date | null;
  bmc: Bmc | null;
  /** Noderoles by state; states without any are missing. */
  counts: Partial<StateCounts>;
};

/** Uses `nics_node_id_idx`, `dhcp_entries_node_id_idx`, `node_roles_node_id_idx` and primary keys. */
const READ = `
  SELECT n.id, n.name, n.description, n.kind, n.alive, n.available, n.arch, n.uuid, n.serial, n.dhcp_options, n.bootenv, n.desired_gen, n.boot_reason, n.created_at,
         json_build_object('id', d.id, 'name', d.name) AS deployment,
         (SELECT coalesce(json_agg(json_build_object('name', c.name, 'mac', c.mac, 'boot', c.boot) ORDER BY c.id), '[]') FROM nics c WHERE c.node_id = n.id) AS nics,
         (SELECT coalesce(json_agg(json_build_object('mac', e.mac, 'bootenv', e.bootenv, 'appliedGen', e.applied_gen, 'revision', e.revision, 'deleted', e.deleted)), '[]')
            FROM dhcp_entries e WHERE e.node_id = n.id) AS entries,
         s.bootenv AS booted, s.boot_id, s.boot_class::text, s.phase, s.phase_detail, s.phase_at, s.address, s.heartbeat_at,
         CASE WHEN b.node_id IS NOT NULL THEN json_build_object('driver', b.driver, 'address', b.address, 'port', b.port, 'username', b.username,
           'power', b.power, 'last_error', b.last_error) END AS bmc,
         (SELECT coalesce(json_object_agg(r.state, r.count), '{}') FROM (SELECT state, count(*) FROM node_roles WHERE node_id = n.id GROUP BY state) r) AS counts
    FROM nodes n JOIN deployments d ON d.id = n.deployment_id LEFT JOIN node_status s ON s.node_id = n.id LEFT JOIN bmcs b ON b.node_id = n.id
   WHERE n.id = ANY ($1) ORDER BY n.id`;

/** The nodes that there are of these, in id order. */
export async function readNodeRows(db: Db, ids: readonly number[]): Promise<NodeRow[]> {
  return (await db.pool.query<NodeRow>({ name: 'node-rows', text: READ, values: [ids] })).rows;
}
