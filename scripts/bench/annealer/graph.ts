/**
 * Graphs of noderoles whose jig logs one line and succeeds. They are written in bulk as binding leaves them (PROPOSED, nobody
 * counted); committing them is the product's own verb.
 */
import type { Db } from '../../../src/db/client.js';
import { ensureSystem } from '../../../src/deployments/system.js';
import { commitDeployment } from '../../../src/deployments/verbs.js';
import { loadBarclamps, parseBarclamp } from '../../../src/roles/load.js';
import { importBarclamps } from '../../../src/roles/store.js';
import { inProject } from '../../lib/project.mjs';

/** `deployments`: their ids, each uncommitted. */
export type Graph = { noderoles: number; edges: number; deployments: number[] };

/** Noderoles of one deployment of a chain graph: an operator commits racks, not the whole building. */
const NODEROLES_PER_DEPLOYMENT = 10_000;

/** `catalog`: also the roles that ship with Prybar, which an API process brings along; otherwise the least that a system needs. */
async function addRoles(db: Db, count: number, catalog = false): Promise<void> {
  const roles = Array.from({ length: count }, (_, index) => ({
    name: `bench-${index + 1}`,
    jig: 'test',
    requires: index === 0 ? [] : [`bench-${index}`],
    template: { test: { log: 'nothing to do' } },
  }));
  const system = 'barclamp: { name: bench-system }\nroles: [{ name: dhcp-database, jig: noop, flags: [bootstrap, service] }]';
  const shipped = catalog ? await loadBarclamps(inProject('src/roles/catalog')) : [parseBarclamp(system, 'bench')];
  await importBarclamps(db.pool, shipped, { source: 'built-in', allowDangling: true });
  await importBarclamps(db.pool, [parseBarclamp(JSON.stringify({ barclamp: { name: 'bench' }, roles }), 'bench')]);
  await ensureSystem(db);
}

/** Machines alive in discovery; their last heartbeat is of tomorrow, so that the sweep leaves them so. */
async function addMachines(db: Db, nodes: number, perDeployment: number): Promise<number[]> {
  const { rows } = await db.pool.query<{ id: number }>(
    `INSERT INTO deployments (name, parent_id) SELECT 'bench-' || i, (SELECT id FROM deployments WHERE system) FROM generate_series(1, $1::int) i RETURNING id`,
    [Math.ceil(nodes / perDeployment)],
  );
  await db.pool.query(
    `WITH made AS (
       INSERT INTO nodes (name, deployment_id, alive, boot_class)
       SELECT 'm' || i, ($1::int[])[1 + (i - 1) / $3::int], true, 'discovery' FROM generate_series(1, $2::int) i RETURNING id)
     INSERT INTO node_status (node_id, boot_id, boot_class, heartbeat_at) SELECT id, 'boot-' || id, 'discovery', clock_timestamp() + interval '1 day' FROM made`,
    [rows.map((row) => row.id), nodes, perDeployment],
  );
  return rows.map((row) => row.id);
}

/** Every machine gets every role, machine by machine, as a batch binding writes them. */
const bindAll = (db: Db): Promise<number> =>
  forMachines(
    db,
    `INSERT INTO node_roles (deployment_id, role_id, node_id, cohort)
     SELECT n.deployment_id, r.id, n.id, r.cohort FROM nodes n CROSS JOIN roles r
      WHERE n.kind = 'machine' AND r.barclamp = 'bench' AND n.id BETWEEN $1 AND $2 ORDER BY n.id, r.cohort, r.id`,
  );

const MACHINES_A_STATEMENT = 10_000;

/** Writes rows of all machines, $1 to $2 at a time: no statement is let run for longer than the product's. Answers how many. */
async function forMachines(db: Db, insert: string): Promise<number> {
  const { rows } = await db.pool.query<{ first: number; last: number }>(
    `SELECT coalesce(min(id), 1) AS first, coalesce(max(id), 0) AS last FROM nodes WHERE kind = 'machine'`,
  );
  const { first, last } = rows[0] ?? { first: 1, last: 0 };
  let written = 0;
  for (let from = first; from <= last; from += MACHINES_A_STATEMENT)
    written += (await db.pool.query(insert, [from, Math.min(last, from + MACHINES_A_STATEMENT - 1)])).rowCount ?? 0;
  return written;
}

/** Each machine's roles one after the other. */
export async function seedChains(db: Db, nodes: number, roles: number, catalog = false): Promise<Graph> {
  await addRoles(db, roles, catalog);
  const deployments = await addMachines(db, nodes, Math.max(1, Math.floor(NODEROLES_PER_DEPLOYMENT / roles)));
  const noderoles = await bindAll(db);
  const edges = await forMachines(
    db,
    `INSERT INTO node_role_edges (parent_id, child_id)
     SELECT p.id, c.id FROM node_roles c JOIN node_roles p ON p.node_id = c.node_id AND p.cohort = c.cohort - 1
      WHERE c.cohort > 0 AND c.node_id BETWEEN $1 AND $2`,
  );
  return { noderoles, edges, deployments };
}

/** One chain through all noderoles, from machine to machine and then the next role: one thing at a time on an idle system. */
export async function seedOneLine(db: Db, nodes: number, roles: number): Promise<Graph> {
  await addRoles(db, roles);
  const deployments = await addMachines(db, nodes, nodes);
  const noderoles = await bindAll(db);
  const { rowCount } = await db.pool.query(
    `WITH line AS (SELECT nr.id, row_number() OVER (ORDER BY nr.cohort, nr.node_id) AS place FROM node_roles nr JOIN roles r ON r.id = nr.role_id AND r.barclamp = 'bench')
     INSERT INTO node_role_edges (parent_id, child_id) SELECT p.id, c.id FROM line p JOIN line c ON c.place = p.place + 1`,
  );
  return { noderoles, edges: rowCount ?? 0, deployments };
}

/**
 * Layers: each noderole has `parents` parents on machines drawn at random in the layer below; and in the middle one
 * noderole that waits for `fanIn` of its layer, with a part of the next layer waiting for it.
 */
export async function seedRandom(db: Db, shape: { nodes: number; roles: number; parents: number; fanIn: number }): Promise<Graph> {
  await addRoles(db, shape.roles);
  const deployments = await addMachines(db, shape.nodes, shape.nodes);
  const noderoles = await bindAll(db);
  const edges = await db.pool.query(
    // setseed: the same graph each time. Two equal draws are one edge.
    `WITH seeded AS (SELECT setseed(0.42)), machine AS (
       SELECT (array_agg(id ORDER BY id)) AS ids FROM nodes WHERE kind = 'machine'
     ), drawn AS (
       SELECT c.id AS child, c.cohort, machine.ids[1 + floor(random() * array_length(machine.ids, 1))::int] AS node_id
         FROM seeded, machine, node_roles c JOIN roles r ON r.id = c.role_id AND r.barclamp = 'bench', generate_series(1, $1::int) WHERE c.cohort > 0)
     INSERT INTO node_role_edges (parent_id, child_id)
     SELECT DISTINCT p.id, d.child FROM drawn d JOIN node_roles p ON p.node_id = d.node_id AND p.cohort = d.cohort - 1 ON CONFLICT DO NOTHING`,
    [shape.parents],
  );
  const middle = Math.floor(shape.roles / 2);
  const fan = await db.pool.query(
    `WITH gate AS (SELECT min(nr.id) AS id FROM node_roles nr JOIN roles r ON r.id = nr.role_id AND r.barclamp = 'bench' WHERE nr.cohort = $1),
     above AS (SELECT nr.id FROM node_roles nr JOIN roles r ON r.id = nr.role_id AND r.barclamp = 'bench' WHERE nr.cohort = $1 - 1 ORDER BY nr.id LIMIT $2),
     below AS (SELECT nr.id FROM node_roles nr JOIN roles r ON r.id = nr.role_id AND r.barclamp = 'bench' WHERE nr.cohort = $1 + 1 ORDER BY nr.id LIMIT $2 / 10)
     INSERT INTO node_role_edges (parent_id, child_id) SELECT above.id, gate.id FROM above, gate UNION SELECT gate.id, below.id FROM gate, below ON CONFLICT DO NOTHING`,
    [middle, shape.fanIn],
  );
  return { noderoles, edges: (edges.rowCount ?? 0) + (fan.rowCount ?? 0), deployments };
}

/** Commits every deployment, held back: nothing is claimed before `release`. Returns milliseconds by deployment. */
export async function commitHeld(db: Db, graph: Graph): Promise<number[]> {
  await db.pool.query('UPDATE deployments SET paused_at = clock_timestamp() WHERE id = ANY($1)', [graph.deployments]);
  const took: number[] = [];
  for (const id of graph.deployments) {
    const startedAt = performance.now();
    await commitDeployment(db, id, 'bench');
    took.push(performance.now() - startedAt);
  }
  return took;
}

export async function release(db: Db, graph: Graph): Promise<void> {
  await db.pool.query('UPDATE deployments SET paused_at = NULL WHERE id = ANY($1)', [graph.deployments]);
}
