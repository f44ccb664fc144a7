/** How long the engine takes on an idle system: from commit to the first job, and from a parent's ACTIVE to its child's start. */
import { setTimeout as sleep } from 'node:timers/promises';
import { commitDeployment } from '../../../src/deployments/verbs.js';
import type { Tools } from '../bench.js';
import { commitHeld, release, seedChains, seedOneLine } from './graph.js';
import { createProduct, type BackendName, type Servers } from './product.js';

/** Time for the processes to finish their own start. */
const SETTLE_MS = 2_000;
const LOOK_EVERY_MS = 200;
const TIMEOUT_MS = 180_000;

/** Milliseconds from the call of the verb to the first job started, and how long the verb itself took. */
export async function measureCommit(servers: Servers, nodes: number, roles: number, tools: Tools): Promise<{ toFirstJobMs: number; verbMs: number }> {
  const product = await createProduct(servers, { backend: 'redis', runs: 1 }, tools);
  try {
    const graph = await seedChains(product.db, nodes, roles);
    await product.start();
    await sleep(SETTLE_MS);
    const [id] = graph.deployments;
    const calledAt = Date.now();
    await commitDeployment(product.db, id, 'bench');
    const verbMs = Date.now() - calledAt;
    await product.doorbell.kick();
    for (const until = Date.now() + TIMEOUT_MS; Date.now() < until; await sleep(LOOK_EVERY_MS)) {
      const { rows } = await product.db.pool.query<{ at: Date | null }>(
        'SELECT min(r.started_at) AS at FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id WHERE nr.deployment_id = $1',
        [id],
      );
      if (rows[0]?.at) return { toFirstJobMs: rows[0].at.getTime() - calledAt, verbMs };
    }
    throw new Error('no job was started within 3 minutes of the commit');
  } finally {
    await product.close();
  }
}

/** Milliseconds, ascending: each child's start less its parent's end, by the database's clock, one chain on an idle system. */
export async function measureLatency(servers: Servers, backend: BackendName, samples: number, tools: Tools): Promise<number[]> {
  const product = await createProduct(servers, { backend, runs: 1 }, tools);
  try {
    const roles = 10;
    const graph = await seedOneLine(product.db, Math.ceil((samples + 1) / roles), roles);
    await commitHeld(product.db, graph);
    await product.start();
    await sleep(SETTLE_MS);
    await release(product.db, graph);
    await product.doorbell.kick();
    for (const until = Date.now() + TIMEOUT_MS; Date.now() < until; await sleep(LOOK_EVERY_MS)) {
      const left = await product.db.pool.query(`SELECT 1 FROM node_roles WHERE deployment_id = ANY($1) AND state <> 'ACTIVE' LIMIT 1`, [graph.deployments]);
      if (left.rowCount === 0) break;
    }
    // ended_at is written inside the settle, before its commit makes the parent ACTIVE: the number is never too small.
    const { rows } = await product.db.pool.query<{ ms: number }>(
      `SELECT extract(epoch FROM c.started_at - p.ended_at)::float8 * 1000 AS ms
         FROM node_role_edges e JOIN runs p ON p.node_role_id = e.parent_id JOIN runs c ON c.node_role_id = e.child_id WHERE c.started_at IS NOT NULL ORDER BY 1`,
    );
    if (rows.length < samples) throw new Error(`the chain did not end within 3 minutes: ${rows.length} of ${samples} samples`);
    return rows.map((row) => row.ms);
  } finally {
    await product.close();
  }
}

/** The value that this share of the ascending numbers does not exceed. */
export const quantile = (ascending: number[], share: number): number => ascending[Math.min(ascending.length - 1, Math.ceil(ascending.length * share) - 1)];
