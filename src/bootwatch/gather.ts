/** Reads the evidence about one machine from the database. Decides nothing. */
import type { Db } from '../db/client.js';
import { evaluateServed } from '../nodes/served.js';
import { splitAttempts, usualSecondsToDiscover } from './attempts.js';
import type { Evidence, NetworkEvidence, NodeEvidence } from './evidence.js';
import { byTime, readSteps, type Whose } from './timeline.js';

/** Enough for the present boot and the loop it may be in. */
const STEPS_READ = 400;

/** Everything known of a node or of a MAC that is no node. */
export async function gatherEvidence(db: Db, whose: Whose, now = new Date()): Promise<Evidence> {
  const [steps, servers, installers] = await Promise.all([readSteps(db.pool, whose, { limit: STEPS_READ }), readServers(db), readInstallers(db)]);
  const attempts = splitAttempts(byTime(steps));
  const node = 'nodeId' in whose ? await readNode(db, whose.nodeId) : null;
  const mac = 'mac' in whose ? whose.mac : (node?.nics[0]?.mac ?? steps.at(-1)?.mac ?? '');
  const seenOn = steps.findLast((step) => typeof step.facts['network'] === 'string')?.facts['network'];
  return {
    now,
    mac,
    attempts,
    node,
    network: await readNetwork(db, whose, mac, typeof seenOn === 'string' ? seenOn : null),
    installers,
    servers,
    usualSecondsToDiscover: usualSecondsToDiscover(attempts.slice(0, -1)),
  };
}

type NodeRow = {
  name: string;
  alive: boolean;
  bootenv: string;
  discovery: unknown;
  power: string | null;
  last_error: string | null;
  macs: string[] | null;
};

async function readNode(db: Db, nodeId: number): Promise<NodeEvidence | null> {
  const { rows } = await db.pool.query<NodeRow>(
    `SELECT n.name, n.alive, n.bootenv, n.discovery, b.power, b.last_error,
            (SELECT array_agg(c.mac ORDER BY c.boot DESC, c.id) FROM nics c WHERE c.node_id = n.id) AS macs
       FROM nodes n LEFT JOIN bmcs b ON b.node_id = n.id WHERE n.id = $1`,
    [nodeId],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const served = await evaluateServed(db.pool, nodeId);
  const discovery = objectOf(row.discovery);
  return {
    name: row.name,
    alive: row.alive,
    bootenv: row.bootenv,
    waitingFor: served.waitingFor,
    power: row.power === null ? null : { state: row.power, lastError: row.last_error },
    secureBoot: booleanOf(discovery['secure_boot']),
    nics: (row.macs ?? []).map((mac) => nicFacts(mac, discovery['nics'])),
    bootDevice: textOf(discovery['boot_device']),
  };
}

/** What the last discovery said of a NIC. */
function nicFacts(mac: string, nics: unknown): NodeEvidence['nics'][number] {
  const found = (Array.isArray(nics) ? nics : []).map(objectOf).find((nic) => nic['mac'] === mac) ?? {};
  return { mac, carrier: booleanOf(found['carrier']), lldp: textOf(found['lldp']) };
}

type NetworkRow = { name: string; dhcp_mode: string; dns: string[]; quiet_ra: boolean; is_reserved: boolean };

/** The network of the reservation, else of the lease, else the one it was heard on. */
async function readNetwork(db: Db, whose: Whose, mac: string, seenOn: string | null): Promise<NetworkEvidence | null> {
  const { rows } = await db.pool.query<NetworkRow>(
    `SELECT w.name, w.dhcp_mode, w.dns, w.quiet_ra, found.place = 1 AS is_reserved FROM (
       SELECT network_id, 1 AS place FROM reservations WHERE node_id = $1 OR mac = $2
       UNION ALL SELECT network_id, 2 FROM leases WHERE mac = $2 AND state = 'active'
       UNION ALL SELECT id, 3 FROM networks WHERE name = $3
     ) found JOIN networks w ON w.id = found.network_id ORDER BY found.place LIMIT 1`,
    ['nodeId' in whose ? whose.nodeId : 0, mac, seenOn],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return { name: row.name, mode: row.dhcp_mode, hasDns: row.dns.length > 0, quietRa: row.quiet_ra, isReserved: row.is_reserved };
}

async function readInstallers(db: Db): Promise<ReadonlySet<string>> {
  const { rows } = await db.pool.query<{ name: string }>(`SELECT name FROM bootenvs WHERE kind = 'installer'`);
  return new Set(rows.map((row) => row.name));
}

async function readServers(db: Db): Promise<Evidence['servers']> {
  const { rows } = await db.pool.query<{ kind: string; count: number }>(
    `SELECT kind, count(*)::int AS count FROM boot_servers WHERE status IN ('serving', 'draining') AND lease_until > clock_timestamp() GROUP BY kind`,
  );
  const count = (kind: string) => rows.find((row) => row.kind === kind)?.count ?? 0;
  return { dhcp: count('dhcp'), tftp: count('tftp'), http: count('http') };
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function booleanOf(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
