/**
 * Reads what the served rule needs, and makes its answer a durable fact for the runs that wait for it. The rule itself is
 * `served-rule.ts`.
 */
import type { Db, Queryable, Tx } from '../db/client.js';
import { withTransaction } from '../db/client.js';
import { NotFoundError } from '../shared/errors.js';
import { raiseFact } from './facts.js';
import { decideServed, type BootServerReport, type NicEntry, type Served, type ServedInput } from './served-rule.js';

export type { Served } from './served-rule.js';

/** Whether what the node shall boot is what the boot servers answer; `waitingFor` says in words what is missing. */
export async function evaluateServed(tx: Tx | Queryable, nodeId: number): Promise<Served> {
  const inputs = await readInputs(tx, [nodeId]);
  const input = inputs.get(nodeId);
  if (input === undefined) throw new NotFoundError('node', nodeId);
  return decideServed(input);
}

/** Facts raised in one transaction: few enough that its locks are held for milliseconds. */
const FACTS_PER_TRANSACTION = 50;

/**
 * Looks at every node that a run waits for and raises `served:<node>` where all is confirmed; returns how many runs woke.
 * Level, not edge: safe to call at any rate, from any number of processes. One query when nobody waits.
 */
export async function publishServed(db: Db): Promise<number> {
  const { rows } = await db.pool.query<{ node_id: number }>(`SELECT DISTINCT substring(key FROM 8)::int AS node_id FROM waits WHERE key ~ '^served:[0-9]+$'`);
  if (rows.length === 0) return 0;
  const inputs = await readInputs(
    db.pool,
    rows.map((row) => row.node_id),
  );
  const served: { key: string; generation: number }[] = [];
  for (const [nodeId, input] of inputs) {
    const answer = decideServed(input);
    if (answer.served) served.push({ key: `served:${nodeId}`, generation: answer.generation });
  }
  served.sort((a, b) => (a.key < b.key ? -1 : 1));
  let woken = 0;
  for (let start = 0; start < served.length; start += FACTS_PER_TRANSACTION) {
    const part = served.slice(start, start + FACTS_PER_TRANSACTION);
    woken += await withTransaction(db.pool, async (tx) => {
      let count = 0;
      for (const fact of part) count += await raiseFact(tx, fact.key, fact.generation);
      return count;
    });
  }
  return woken;
}

type NicRow = {
  id: number;
  desired_gen: number;
  network_id: number | null;
  mac: string | null;
  boot: boolean | null;
  applied_gen: number | null;
  bootenv: string | null;
  revision: number | null;
  deleted: boolean | null;
  dns_revision: number | null;
};

/**
 * One statement, one snapshot for the nodes and their entries. The servers are read after it: a server that is ahead of
 * the snapshot has confirmed it all the same.
 */
async function readInputs(db: Queryable, nodeIds: number[]): Promise<Map<number, ServedInput>> {
  const { rows } = await db.query<NicRow>(
    `SELECT n.id, n.desired_gen, c.mac, c.boot, e.applied_gen, e.bootenv, e.revision, e.deleted,
            coalesce((SELECT r.network_id FROM reservations r LEFT JOIN nics b ON b.mac = r.mac AND b.node_id = n.id WHERE r.node_id = n.id ORDER BY b.boot DESC NULLS LAST, r.id LIMIT 1),
                     (SELECT l.network_id FROM leases l JOIN nics o ON o.mac = l.mac WHERE o.node_id = n.id AND l.state = 'active'
                       ORDER BY o.boot DESC, l.updated_at DESC LIMIT 1)) AS network_id,
            (SELECT max(d.revision) FROM dns_changes d JOIN reservations r ON r.id = d.allocation_id WHERE r.node_id = n.id) AS dns_revision
       FROM nodes n LEFT JOIN nics c ON c.node_id = n.id LEFT JOIN dhcp_entries e ON e.mac = c.mac AND e.node_id = n.id
      WHERE n.id = ANY($1) ORDER BY n.id, c.id`,
    [nodeIds],
  );
  const servers = await readServers(db);
  const inputs = new Map<number, ServedInput>();
  for (const row of rows) {
    const input = inputs.get(row.id) ?? { desiredGen: row.desired_gen, nics: [], networkId: row.network_id, dnsRevision: row.dns_revision ?? 0, servers };
    if (row.mac !== null) input.nics.push(nicEntry(row.mac, row));
    inputs.set(row.id, input);
  }
  return inputs;
}

function nicEntry(mac: string, row: NicRow): NicEntry {
  const entry =
    row.applied_gen === null || row.revision === null
      ? null
      : { appliedGen: row.applied_gen, bootenv: row.bootenv ?? '', revision: row.revision, deleted: row.deleted === true };
  return { mac, boot: row.boot === true, entry };
}

/**
 * A server whose lease is over hands out no boot files any more (it counts from before its report), so nobody waits for it.
 * TFTP and boot HTTP decide from the database at each request: they are at the table's revision whenever they answer. A
 * server of the site answers from its files also while nobody drives it: it is waited for until it is taken out.
 */
async function readServers(db: Queryable): Promise<BootServerReport[]> {
  const { rows } = await db.query<{
    kind: string;
    host: string;
    status: string;
    networks: number[];
    served_revision: number;
    problem: string | null;
    failing: boolean;
  }>(
    `SELECT kind, host, status, networks, CASE WHEN kind IN ('dhcp', 'dns') THEN served_revision ELSE (SELECT max(revision) FROM dhcp_table) END AS served_revision, NULL AS problem, false AS failing
       FROM boot_servers WHERE status IN ('serving', 'draining') AND lease_until > clock_timestamp()
     UNION ALL
     SELECT kind, name, 'serving', networks, served_revision,
            CASE WHEN driven_until < clock_timestamp() THEN 'no Prybar on ' || host || ' drives it' ELSE problem END,
            problem IS NOT NULL AND driven_until >= clock_timestamp()
       FROM external_servers
     ORDER BY kind, host`,
  );
  return rows.map(({ served_revision, ...row }) => ({ ...row, servedRevision: served_revision }));
}
