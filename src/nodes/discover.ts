/**
 * Facts posted by a booting machine become a node: looked up by its fingerprint, made or brought up to date, its address
 * reserved and its boot recorded, in one transaction under the machine's identity locks. Who it is decides `identity.ts`.
 */
import { withTransaction, type Db, type Tx } from '../db/client.js';
import { allocationChanged, alarm, nodeChanged, type DomainEvent, type NodeField, type AllocationRow } from '../events/events.js';
import { notify, writeEvents } from '../events/outbox.js';
import { ConflictError, ValidationError } from '../shared/errors.js';
import { macWithDashes } from '../shared/mac.js';
import { allocateNodes } from './allocate.js';
import { recordBoot } from './boot.js';
import { identifyMachine, isUnicastMac, realSerial, realUuid, type Candidate, type Fingerprint } from './identity.js';
import { insertNode, lockIdentity } from './insert.js';
import type { MachineFacts } from './machine-facts.js';
import { nextName } from './name-template.js';
import { writePhases } from './phase.js';
import { tellReaders, type NodeAttribs } from './readers.js';

export type FactsReport = {
  facts: MachineFacts;
  /** Source address of the request: the one leased to `mac`. */
  address: string;
  /** The NIC it booted from, in the stored form. */
  mac: string;
  /** The boot token it came with; `bootenv` is what that boot was given. */
  token: { bootenv: string | null };
};

export type Discovered = { nodeId: number; name: string; isNew: boolean; bootEpoch: number };

/** Domain of discovered nodes when no network says another. */
const DEFAULT_DOMAIN = 'prybar.internal';

/**
 * Discovers the machine, or brings its node up to date; the node is alive afterwards. Safe to repeat.
 * Throws ConflictError `identity-conflict` (with an alarm written) when the machine contradicts what is known, and
 * `node-deleting` while its node is being deleted.
 */
export async function reportFacts(db: Db, report: FactsReport): Promise<Discovered> {
  const outcome = await withTransaction(db.pool, (tx) => discover(tx, report));
  notify(db.pool);
  if ('refused' in outcome) throw new ConflictError(outcome.refused, { code: 'identity-conflict' });
  return outcome;
}

async function discover(tx: Tx, report: FactsReport): Promise<Discovered | { refused: string }> {
  const machine = fingerprint(report);
  await lockIdentity(tx, machine.macs, machine.uuid);
  const identity = identifyMachine(machine, await findCandidates(tx, machine));
  if (identity.kind === 'refused') {
    await writeEvents(tx, [alarm('node', identity.nodeId, 'identity-conflict', identity.message, { mac: report.mac, address: report.address })]);
    return { refused: identity.message };
  }
  const events: DomainEvent[] = [];
  let nodeId: number;
  if (identity.kind === 'known') {
    nodeId = identity.nodeId;
    events.push(...(await updateNode(tx, nodeId, report, machine)));
    if (identity.foreign.length > 0)
      events.push(alarm('node', nodeId, 'nic-of-another-node', `it reports NICs that belong to other nodes: ${identity.foreign.join(', ')}`));
  } else {
    const created = await insertNode(tx, await newNode(tx, report, machine));
    nodeId = created.nodeId;
    events.push(created.event);
    if (identity.kind === 'new-with-alarm') events.push(alarm('node', nodeId, 'identity-conflict', identity.message, { mac: report.mac }));
    await tx.query('UPDATE boot_events SET node_id = $1 WHERE mac = ANY($2) AND node_id IS NULL', [nodeId, machine.macs]);
  }
  events.push(...(await reserveLeasedAddress(tx, nodeId, report)), ...(await allocateNodes(tx, [nodeId])));
  await writeEvents(tx, events);
  const boot = await recordBoot(tx, {
    nodeId,
    bootId: report.facts.boot_id,
    bootClass: report.facts.class,
    bootenv: report.token.bootenv,
    address: report.address,
  });
  const detail = `${report.facts.vendor} ${report.facts.product}`.trim();
  await writePhases(tx, [{ mac: report.mac, kind: 'facts', phase: 'agent', detail, at: new Date() }]);
  const { rows } = await tx.query<{ name: string }>('SELECT name FROM nodes WHERE id = $1', [nodeId]);
  return { nodeId, name: rows[0]?.name ?? '', isNew: identity.kind !== 'known', bootEpoch: boot.bootEpoch };
}

function fingerprint(report: FactsReport): Fingerprint {
  const macs = [...new Set([report.mac, ...report.facts.nics.map((nic) => nic.mac)])].filter(isUnicastMac);
  if (macs.length === 0) throw new ValidationError('no NIC with a MAC of its own', [{ field: 'nics', message: 'at least one unicast MAC' }]);
  return { uuid: realUuid(report.facts.uuid), serial: realSerial(report.facts.serial), macs };
}

async function findCandidates(tx: Tx, machine: Fingerprint): Promise<Candidate[]> {
  const { rows } = await tx.query<{ id: number; name: string; uuid: string | null; serial: string | null; shared: string[] }>(
    `SELECT n.id, n.name, n.uuid, n.serial,
            coalesce(array_agg(c.mac ORDER BY c.mac) FILTER (WHERE c.mac = ANY($1)), '{}') AS shared
       FROM nodes n LEFT JOIN nics c ON c.node_id = n.id
      WHERE n.uuid = $2 OR n.id IN (SELECT node_id FROM nics WHERE mac = ANY($1))
      GROUP BY n.id ORDER BY n.id`,
    [machine.macs, machine.uuid],
  );
  return rows.map((row) => ({ nodeId: row.id, name: row.name, uuid: row.uuid, serial: row.serial, sharedMacs: row.shared }));
}

async function newNode(tx: Tx, report: FactsReport, machine: Fingerprint) {
  const { rows } = await tx.query<{ domain: string; name_template: string | null }>(
    `SELECT n.domain, CASE WHEN l.address IS NOT NULL THEN n.name_template END AS name_template FROM networks n LEFT JOIN leases l ON l.network_id = n.id AND l.address = $1
      WHERE n.domain <> '' ORDER BY l.address IS NULL, n.id LIMIT 1`,
    [report.address],
  );
  const domain = rows[0]?.domain ?? DEFAULT_DOMAIN;
  const template = rows[0]?.name_template ?? null;
  return {
    name: template === null ? `d${macWithDashes(report.mac)}.${domain}` : await nextName(tx, `${template}.${domain}`),
    deploymentId: null,
    nics: reportedNics(report, machine),
    arch: report.facts.arch,
    uuid: machine.uuid,
    serial: machine.serial,
    discovery: storedFacts(report.facts),
  };
}

function reportedNics(report: FactsReport, machine: Fingerprint): { mac: string; name: string; boot: boolean }[] {
  const names = new Map(report.facts.nics.map((nic) => [nic.mac, nic.name]));
  return machine.macs.map((mac) => ({ mac, name: names.get(mac) ?? '', boot: mac === report.mac }));
}

/** What is kept of the facts: everything that describes the machine, nothing that describes this boot. */
function storedFacts(facts: MachineFacts): Record<string, unknown> {
  const { boot_id: _bootId, class: _class, ...machine } = facts;
  return machine;
}

async function updateNode(tx: Tx, nodeId: number, report: FactsReport, machine: Fingerprint): Promise<DomainEvent[]> {
  const locked = await tx.query<{ deleting: boolean } & NodeAttribs>(
    'SELECT deleting, discovery::text, hint::text FROM nodes WHERE id = $1 FOR NO KEY UPDATE',
    [nodeId],
  );
  if (locked.rows[0]?.deleting === true) throw new ConflictError('the node of this machine is being deleted', { code: 'node-deleting' });
  const changed: NodeField[] = [];
  if (await updateNics(tx, nodeId, reportedNics(report, machine))) changed.push('nics');
  const discovery = JSON.stringify(storedFacts(report.facts));
  const { rowCount } = await tx.query(
    `UPDATE nodes SET uuid = coalesce($2, uuid), serial = coalesce($3, serial), arch = $4, discovery = $5::jsonb
      WHERE id = $1 AND (coalesce($2, uuid), coalesce($3, serial), arch, discovery) IS DISTINCT FROM (uuid, serial, $4, $5::jsonb)`,
    [nodeId, machine.uuid, machine.serial, report.facts.arch, discovery],
  );
  if (rowCount !== null && rowCount > 0) {
    changed.push('discovery');
    const before = locked.rows[0];
    if (before !== undefined) await tellReaders(tx, nodeId, before, { discovery, hint: before.hint });
  }
  if (changed.length === 0) return [];
  const { rows } = await tx.query<{ version: number }>('UPDATE nodes SET version = version + 1 WHERE id = $1 RETURNING version', [nodeId]);
  return [nodeChanged(nodeId, rows[0]?.version ?? 0, changed)];
}

/** Adds and renames; a NIC that is not reported stays, because a dead one comes back. True when a row changed. */
async function updateNics(tx: Tx, nodeId: number, nics: { mac: string; name: string; boot: boolean }[]): Promise<boolean> {
  const { rows } = await tx.query<{ changed: number }>(
    `WITH reported AS (
       SELECT * FROM unnest($2::text[], $3::text[], $4::boolean[]) AS r(mac, name, boot)
     ), written AS (
       INSERT INTO nics AS c (node_id, mac, name, boot) SELECT $1, mac, name, boot FROM reported ORDER BY mac
       ON CONFLICT (mac) DO UPDATE SET name = CASE WHEN EXCLUDED.name = '' THEN c.name ELSE EXCLUDED.name END, boot = EXCLUDED.boot
        WHERE c.node_id = EXCLUDED.node_id AND ((EXCLUDED.name <> '' AND c.name <> EXCLUDED.name) OR c.boot <> EXCLUDED.boot)
       RETURNING 1
     ), unmarked AS (
       UPDATE nics SET boot = false WHERE node_id = $1 AND boot AND mac NOT IN (SELECT mac FROM reported) RETURNING 1
     )
     SELECT (SELECT count(*) FROM written)::int + (SELECT count(*) FROM unmarked)::int AS changed`,
    [nodeId, nics.map((nic) => nic.mac), nics.map((nic) => nic.name), nics.map((nic) => nic.boot)],
  );
  return (rows[0]?.changed ?? 0) > 0;
}

/**
 * The address leased to the MAC becomes the node's own, in the discovery's transaction. Without such a lease nothing is
 * reserved; a reservation the operator made stays as it is and only learns its node.
 */
async function reserveLeasedAddress(tx: Tx, nodeId: number, report: FactsReport): Promise<DomainEvent[]> {
  // A row that this transaction made has no older version: xmax says whether it was inserted or only updated.
  const { rows } = await tx.query<AllocationRow & { is_new: boolean }>(
    `INSERT INTO reservations AS held (network_id, address, mac, node_id)
     SELECT l.network_id, l.address, l.mac, $1 FROM leases l WHERE l.address = $2 AND l.mac = $3 AND l.state = 'active'
        AND NOT EXISTS (SELECT 1 FROM reservations o WHERE o.address = l.address AND o.mac <> l.mac)
     ON CONFLICT (network_id, mac) DO UPDATE SET node_id = EXCLUDED.node_id WHERE held.node_id IS DISTINCT FROM EXCLUDED.node_id
     RETURNING held.id, held.network_id, held.address, held.mac, held.node_id, held.xmax = 0 AS is_new`,
    [nodeId, report.address, report.mac],
  );
  return rows.filter((row) => row.is_new).map((row) => allocationChanged('created', row));
}
