/** The complete history of a chaos as plain data, read once it is at rest. What the checker judges. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Queryable } from '../../src/db/client.js';
import type { Stamp } from './worker/journal.js';

export type NodeRoleEnd = {
  id: number;
  name: string;
  nodeId: number;
  state: string;
  version: number;
  pending: number;
  slack: number;
  barrier: boolean;
  committed: boolean;
  wall: string;
  errorCode: string | null;
};
export type RunEnd = { id: number; noderole: number; key: string; jig: string; status: string; outcome: string | null; fence: number; started: boolean };
/** `pos` null: the sequencer has not seen it. */
export type EventSeen = { pos: number | null; n: number; kind: string; subject: string; id: number; version: number; data: Record<string, unknown> };
export type Left = { waits: number; propagations: number; deliveries: number; parked: number; unsequenced: number };

export type History = {
  noderoles: NodeRoleEnd[];
  /** [parent, child] */
  edges: [number, number][];
  runs: RunEnd[];
  /** In the order of (pos, n). */
  events: EventSeen[];
  lateResults: { run: number; fence: number }[];
  /** Chunks of log that were taken too late, or whose number is missing: `run` and why. */
  oddLogs: { run: number; what: string }[];
  revisions: { id: number; revision: number; commits: number }[];
  left: Left;
  stamps: Stamp[];
  /** What a follower of the stream was given: `pos.n`, in order. */
  stream: { from: number; ids: string[]; resets: number };
  /** What the API confirmed. */
  bound: number[];
  commits: { id: number; revision: number }[];
  /** Noderoles whose data tells them to fail for good. */
  told: number[];
  /** Broken promises seen while it went on. */
  seenLive: string[];
};

type Database = Omit<History, 'stamps' | 'stream' | 'bound' | 'commits' | 'told' | 'seenLive'>;

export async function readDatabase(db: Queryable): Promise<Database> {
  const all = async <T>(text: string) => (await db.query(text)).rows as T[];
  const [left] = await all<Left>(
    `SELECT (SELECT count(*) FROM waits)::int AS waits, (SELECT count(*) FROM propagations)::int AS propagations,
            (SELECT count(*) FROM hook_deliveries WHERE parked_at IS NULL)::int AS deliveries, (SELECT count(*) FROM hook_deliveries WHERE parked_at IS NOT NULL)::int AS parked,
            (SELECT count(*) FROM outbox_batches WHERE pos IS NULL)::int AS unsequenced`,
  );
  return {
    noderoles: await all(
      `SELECT nr.id, ro.name || '@' || n.name AS name, nr.node_id AS "nodeId", nr.state, nr.version, nr.pending_parents AS pending, nr.slack, nr.barrier, nr.committed, nr.wall::text AS wall, nr.error_code AS "errorCode"
         FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id ORDER BY nr.id`,
    ),
    edges: (await all<{ p: number; c: number }>('SELECT parent_id AS p, child_id AS c FROM node_role_edges')).map(({ p, c }) => [p, c]),
    runs: await all(
      `SELECT id, node_role_id AS noderole, exclusive_key AS key, jig, status, outcome, fence, started_at IS NOT NULL AS started FROM runs ORDER BY id`,
    ),
    events: await all(
      `SELECT b.pos, (row_number() OVER (PARTITION BY b.id ORDER BY e.id))::int - 1 AS n, e.kind, e.subject_type AS subject, e.subject_id AS id, e.version, e.data
         FROM outbox_batches b JOIN outbox_events e ON e.batch_id = b.id ORDER BY b.pos NULLS LAST, e.id`,
    ),
    lateResults: await all('SELECT run_id AS run, fence FROM late_results'),
    oddLogs: await all(
      `SELECT l.run_id AS run, 'chunk ' || l.seq || ' came ' || round(extract(epoch FROM l.at - r.ended_at)) || ' s after the end' AS what
         FROM run_logs l JOIN runs r ON r.id = l.run_id WHERE l.at > r.ended_at + interval '61 seconds'
       UNION ALL SELECT l.run_id, 'its log has ' || count(*) || ' chunks, the last is number ' || max(l.seq) FROM run_logs l WHERE l.seq <= 1000 GROUP BY l.run_id HAVING count(*) <> max(l.seq)`,
    ),
    revisions: await all(
      `SELECT d.id, d.revision, (SELECT count(*) FROM outbox_events e WHERE e.kind = 'deployment-committed' AND e.subject_id = d.id)::int AS commits FROM deployments d`,
    ),
    left: left ?? { waits: 0, propagations: 0, deliveries: 0, parked: 0, unsequenced: 0 },
  };
}

/** Every stamp of every process; a last line cut by a SIGKILL is left out. */
export function readJournal(folder: string): Stamp[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ndjson'))
    .flatMap((name) => {
      const lines = readFileSync(path.join(folder, name), 'utf8').split('\n');
      return lines.slice(0, -1).map((line) => JSON.parse(line) as Stamp);
    });
}
