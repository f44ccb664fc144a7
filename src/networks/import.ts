/** Takes over the reservations and leases of another DHCP server, all in one transaction or nothing. What is done says import-plan.ts. */
import { withTransaction, type Db, type Queryable, type Tx } from '../db/client.js';
import { allocationChanged, type AllocationRow } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { lockTable, raiseTable } from './change.js';
import { planImport, type ImportHost, type ImportPlan, type ImportState, type ImportStep } from './import-plan.js';

export type ImportAsk = {
  hosts: readonly ImportHost[];
  /** Blocks the file declares, for what to do about an address without a network. */
  subnets: readonly string[];
  networkId: number | null;
  withLeases: boolean;
  /** Plans, and writes nothing. */
  dryRun: boolean;
  /** Writes what can be written; otherwise nothing is while a problem stands against the rest. */
  skipProblems: boolean;
  /** That the file itself has such a problem. */
  isBlocked: boolean;
};

/** As `src/dhcp/hints.ts` hears it: who wrote, a space, addresses with commas between them; the DHCP servers read those leases again. */
const LEASES_CHANNEL = 'prybar_leases';
const ADDRESSES_A_HINT = 400;

/** Plans under the lock that everybody takes who gives addresses, and writes what was planned. Safe to repeat. */
export async function importHosts(db: Db, ask: ImportAsk): Promise<ImportPlan & { applied: boolean }> {
  const result = await withTransaction(db.pool, async (tx) => {
    if (!ask.dryRun) await lockTable(tx);
    const { state, nowSeconds } = await readState(tx, ask.hosts);
    const plan = planImport(ask.hosts, state, { nowSeconds, networkId: ask.networkId, withLeases: ask.withLeases, subnets: ask.subnets });
    const isHeld = !ask.skipProblems && (ask.isBlocked || plan.problems.some(({ blocking }) => blocking));
    const applied = !ask.dryRun && !isHeld;
    if (applied) await write(tx, plan.steps);
    return { ...plan, applied };
  });
  if (result.applied) notify(db.pool);
  return result;
}

async function readState(db: Queryable, hosts: readonly ImportHost[]): Promise<{ state: ImportState; nowSeconds: number }> {
  const { rows: networks } = await db.query<ImportState['networks'][number]>(
    `SELECT n.id, n.name, n.subnet, ARRAY(SELECT r.address FROM network_routers r WHERE r.network_id = n.id) AS routers FROM networks n ORDER BY n.id`,
  );
  const { rows: reservations } = await db.query<ImportState['reservations'][number]>(
    `SELECT r.network_id, r.address, r.mac, coalesce(r.hostname, o.name, r.mac, 'a record') AS whose FROM reservations r LEFT JOIN nodes o ON o.id = r.node_id`,
  );
  const { rows: leases } = await db.query<ImportState['leases'][number]>(
    `SELECT network_id, address, mac FROM leases WHERE state = 'active' AND expires_at > clock_timestamp()`,
  );
  const { rows: nodes } = await db.query<ImportState['nodes'][number]>(
    `SELECT c.mac, c.node_id, n.name FROM nics c JOIN nodes n ON n.id = c.node_id WHERE c.mac = ANY($1) AND NOT n.deleting`,
    [hosts.map(({ mac }) => mac)],
  );
  const { rows: clock } = await db.query<{ now: number }>('SELECT extract(epoch FROM clock_timestamp())::float8 AS now');
  return { state: { networks, reservations, leases, nodes }, nowSeconds: clock[0]?.now ?? 0 };
}

async function write(tx: Tx, steps: readonly ImportStep[]): Promise<void> {
  const wanted = steps.filter(({ action }) => action === 'create');
  const leases = wanted.filter(({ kind }) => kind === 'lease');
  const reservations = wanted.filter(({ kind }) => kind === 'reservation');
  if (reservations.length > 0) {
    // A node's own name wins, so the file's is not written beside it.
    const { rows } = await tx.query<AllocationRow>(
      `INSERT INTO reservations (network_id, address, mac, node_id, hostname)
       SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::int[], $5::text[]) RETURNING id, network_id, address, mac, node_id`,
      [...columns(reservations), reservations.map(({ nodeId }) => nodeId), reservations.map(({ nodeId, hostname }) => (nodeId === null ? hostname : null))],
    );
    await raiseTable(tx);
    await writeEvents(
      tx,
      rows.map((row) => allocationChanged('created', row)),
    );
  }
  if (leases.length > 0) await writeLeases(tx, leases);
}

/** A row that is over gives way; the plan has seen to the others. A lease that never ends does so here, as it would have been given here. */
async function writeLeases(tx: Tx, leases: readonly ImportStep[]): Promise<void> {
  await tx.query(
    `INSERT INTO leases (network_id, address, mac, hostname, state, expires_at, updated_at)
     SELECT l.network_id, l.address, l.mac, l.hostname, 'active', coalesce(to_timestamp(l.ends), clock_timestamp() + make_interval(secs => n.lease_seconds)), clock_timestamp()
       FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::float8[]) AS l (network_id, address, mac, hostname, ends) JOIN networks n ON n.id = l.network_id
      ORDER BY l.address
     ON CONFLICT (address) DO UPDATE SET network_id = EXCLUDED.network_id, mac = EXCLUDED.mac, client_id = NULL, client_key = NULL, hostname = EXCLUDED.hostname,
       state = 'active', expires_at = EXCLUDED.expires_at, updated_at = EXCLUDED.updated_at`,
    [...columns(leases), leases.map(({ hostname }) => hostname), leases.map(({ expiresAt }) => expiresAt)],
  );
  for (let start = 0; start < leases.length; start += ADDRESSES_A_HINT) {
    const addresses = leases.slice(start, start + ADDRESSES_A_HINT).map(({ address }) => address);
    await tx.query('SELECT pg_notify($1, $2)', [LEASES_CHANNEL, `import ${addresses.join(',')}`]);
  }
}

const columns = (steps: readonly ImportStep[]): [number[], string[], string[]] => [
  steps.map(({ networkId }) => networkId),
  steps.map(({ address }) => address),
  steps.map(({ mac }) => mac),
];
