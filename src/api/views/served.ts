/**
 * What the boot servers answer a page of nodes: nodes/served-rule.ts decides, this reads for many at once. For showing
 * only; a run that waits asks nodes/served.ts.
 */
import type { Db } from '../../db/client.js';
import { decideServed, type BootServerReport, type NicEntry } from '../../nodes/served-rule.js';
import type { Node } from '../schemas.js';

const SERVERS = `
  SELECT kind, host, status, networks, served_revision AS "servedRevision", null AS problem, false AS failing
    FROM boot_servers WHERE status IN ('serving', 'draining') AND lease_until > clock_timestamp()
   UNION ALL
  SELECT kind, name, 'serving', networks, served_revision, problem, problem IS NOT NULL AND driven_until >= clock_timestamp() FROM external_servers`;

/** The boot servers that confirm: serving or draining, with a lease; and those of the site, which need none. */
export async function readBootServers(db: Db): Promise<BootServerReport[]> {
  return (await db.pool.query<BootServerReport>({ name: 'boot-servers', text: SERVERS })).rows;
}

type Entry = { mac: string; bootenv: string; appliedGen: number; revision: number; deleted: boolean };

/**
 * The served record. The node's network is not looked up: every server counts, as where only one network boots; nor is the
 * revision of its names.
 */
export function servedRecord(input: {
  desiredGen: number;
  nics: { mac: string; boot: boolean }[];
  entries: Entry[];
  servers: BootServerReport[];
}): Node['served'] {
  const entries = new Map(input.entries.map((entry) => [entry.mac, entry]));
  const nics = input.nics.map((nic): NicEntry => {
    const entry = entries.get(nic.mac);
    return {
      mac: nic.mac,
      boot: nic.boot,
      entry: entry === undefined ? null : { appliedGen: entry.appliedGen, bootenv: entry.bootenv, revision: entry.revision, deleted: entry.deleted },
    };
  });
  const { bootenv, generation, served } = decideServed({ desiredGen: input.desiredGen, nics, networkId: null, dnsRevision: 0, servers: input.servers });
  return { bootenv, generation, served };
}
