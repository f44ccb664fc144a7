/** One graph from its first job started to its last run ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from '../../../src/db/client.js';
import type { Tools } from '../bench.js';
import { commitHeld, release, type Graph } from './graph.js';
import { createProduct, usagePer, type ProductOptions, type Servers } from './product.js';

export type Throughput = {
  noderoles: number;
  perSecond: number;
  cpuMicros: number;
  parts: string;
  peakMb: Record<string, number>;
  /** Highest proportional share of all processes together that was seen, MB. */
  proportionalMb: number;
};

const LOOK_EVERY_MS = 500;
/** Without a single new run for this long, something is broken. */
const STUCK_MS = 60_000;

async function waitUntilDone(db: Db, graph: Graph, tools: Tools, onLook: () => void): Promise<void> {
  let claimed = 0;
  let changedAt = performance.now();
  let toldAt = performance.now();
  for (;;) {
    await sleep(LOOK_EVERY_MS);
    onLook();
    // The primary key's end: counting states would cost more than what is measured.
    const { rows } = await db.pool.query<{ top: number }>('SELECT coalesce(max(id), 0) AS top FROM runs');
    const top = rows[0]?.top ?? 0;
    if (top > claimed) changedAt = performance.now();
    claimed = top;
    if (performance.now() - toldAt > 5_000) {
      tools.say(`    ${claimed} of ${graph.noderoles} noderoles claimed`);
      toldAt = performance.now();
    }
    if (claimed >= graph.noderoles) {
      const left = await db.pool.query(`SELECT 1 FROM node_roles WHERE deployment_id = ANY($1) AND state <> 'ACTIVE' LIMIT 1`, [graph.deployments]);
      if (left.rowCount === 0) return;
    }
    if (performance.now() - changedAt > STUCK_MS) throw new Error(`stuck: ${claimed} of ${graph.noderoles} noderoles were claimed, nothing more for 60 s`);
  }
}

/** Seeds, commits, starts the processes, lets go and waits for the end; checks that every noderole ran exactly once. */
export async function measureThroughput(servers: Servers, options: ProductOptions, seed: (db: Db) => Promise<Graph>, tools: Tools): Promise<Throughput> {
  const product = await createProduct(servers, options, tools);
  try {
    const graph = await seed(product.db);
    await commitHeld(product.db, graph);
    tools.say(`    ${graph.noderoles} noderoles, ${graph.edges} edges, ${graph.deployments.length} deployments committed`);
    await product.start();
    const before = product.usage();
    let proportionalMb = 0;
    await release(product.db, graph);
    await product.doorbell.kick();
    await waitUntilDone(product.db, graph, tools, () => (proportionalMb = Math.max(proportionalMb, product.memory().proportional)));
    const used = usagePer(before, product.usage(), graph.noderoles);
    const { rows } = await product.db.pool.query<{ seconds: number; runs: number; ended: number; logs: number }>(
      `SELECT extract(epoch FROM max(r.ended_at) - min(r.started_at))::float8 AS seconds, count(*) AS runs, count(*) FILTER (WHERE r.outcome = 'succeeded') AS ended,
              count(*) FILTER (WHERE EXISTS (SELECT 1 FROM run_logs l WHERE l.run_id = r.id)) AS logs
         FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id WHERE nr.deployment_id = ANY($1)`,
      [graph.deployments],
    );
    const seen = rows[0] ?? { seconds: 0, runs: 0, ended: 0, logs: 0 };
    if (seen.runs !== graph.noderoles || seen.ended !== graph.noderoles || seen.logs !== graph.noderoles)
      throw new Error(`not every noderole ran exactly once: ${JSON.stringify(seen)} for ${graph.noderoles} noderoles`);
    return {
      noderoles: graph.noderoles,
      perSecond: graph.noderoles / seen.seconds,
      cpuMicros: used.total,
      parts: used.parts,
      peakMb: product.memory().peak,
      proportionalMb,
    };
  } finally {
    await product.close();
  }
}
