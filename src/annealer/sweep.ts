/**
 * The sweep: what a lost message, a dead worker or a dead machine left behind is found and put right, each second, from
 * a timer in every annealer (engine-rules 11). It needs no queue. Each repair is a transaction of its own; one that fails
 * is logged and does not keep the others from running.
 */
import type { Db } from '../db/client.js';
import { HistoryCleaner, type Retention } from '../runs/retention.js';
import { applyCancels } from '../runs/unabortable.js';
import type { Logger } from '../shared/logger.js';

export type SweepDeps = {
  db: Db;
  log: Logger;
  aliveGraceSeconds: number;
  /** How long a run may be STOPPING before that is an alarm. Seconds, default 120. */
  stopDeadlineSeconds?: number;
  /** How long history is kept; without it, for ever. */
  retention?: Retention;
  /** Nodes domain: heartbeats that stopped; who changed. */
  sweepAlive: (db: Db, graceSeconds: number) => Promise<number[]>;
  /** Nodes domain: raises the `served` facts that have come true. */
  publishServed: (db: Db) => Promise<number>;
  /** Nodes domain: removes the nodes whose deletion every subsystem has confirmed. */
  finishDeletions: (db: Db) => Promise<unknown>;
  /** Forgets what is kept no longer: events, deliveries; answers 0 while it is not yet time. */
  forget?: () => Promise<number>;
};

/** Starts in a row without an outcome after which a noderole is in ERROR `crash-loop`. */
const CRASH_LIMIT = 5;
const WAVE_BATCH = 200;
/** Beyond its lease a worker may still be aborting; it stops itself a fifth before. Seconds. */
const STOP_MARGIN_SECONDS = 2;
/** A machine that was switched on for its work and has not come up after this is switched on once more. */
const POWER_ON_AGAIN_SECONDS = 900;
const STOP_DEADLINE_SECONDS = 120;
/** Noderoles looked at in one sweep: a few milliseconds. */
const AUDIT_WINDOW = 2000;

/** Steps that look at the whole fleet and that nobody waits for: each takes at most a share of the time, however large that is. */
const UNHURRIED: ReadonlySet<string> = new Set(['power', 'links', 'drift']);
const SHARE = 1 / 50;

export class Sweeper {
  private auditFrom = 0;
  /** When an unhurried step may run again, monotonic milliseconds. */
  private readonly notBefore = new Map<string, number>();
  private readonly history: HistoryCleaner | undefined;

  constructor(private readonly deps: SweepDeps) {
    this.history = deps.retention && new HistoryCleaner(deps.db.pool, deps.retention);
  }

  /** One sweep. Returns whether anything was repaired, so that the caller anneals at once. */
  async sweep(): Promise<boolean> {
    const { pool } = this.deps.db;
    const count = (text: string, values: unknown[] = []) => pool.query<{ n: number }>(`SELECT ${text} AS n`, values).then(({ rows }) => rows[0]?.n ?? 0);
    const steps: [string, () => Promise<number>][] = [
      ['alive', async () => (await this.deps.sweepAlive(this.deps.db, this.deps.aliveGraceSeconds)).length],
      ['served', () => this.deps.publishServed(this.deps.db)],
      ['deletions', () => this.deps.finishDeletions(this.deps.db).then(() => 0)],
      ['leases', () => count('expire_leases($1)', [CRASH_LIMIT])],
      ['waits', () => count('expire_waits()')],
      ['unexpected boots', () => count('wake_unexpected_boots()')],
      ['lost nodes', () => count('fence_lost_nodes()')],
      ['cancels', () => applyCancels(this.deps.db)],
      ['stopped', () => count('prove_stopped(make_interval(secs => $1))', [STOP_MARGIN_SECONDS])],
      ['stuck', () => count('tell_stuck(make_interval(secs => $1))', [this.deps.stopDeadlineSeconds ?? STOP_DEADLINE_SECONDS])],
      ['waves', () => count('propagate_errors($1)', [WAVE_BATCH])],
      ['power', () => count('decide_power(make_interval(secs => $1))', [POWER_ON_AGAIN_SECONDS]).then(() => 0)],
      ['removals', () => count('finish_removals()')],
      ['links', () => count('relink_attribs()')],
      ['drift', () => count('repair_drift($1, $2)', [this.auditFrom, this.auditFrom + AUDIT_WINDOW])],
      ['history', () => this.history?.step().then(() => 0) ?? Promise.resolve(0)],
      ['counters', () => this.audit()],
      // What is forgotten makes no work.
      ['retention', () => (this.deps.forget?.() ?? Promise.resolve(0)).then(() => 0)],
    ];
    let repaired = 0;
    for (const [name, step] of steps) {
      const began = performance.now();
      if (began < (this.notBefore.get(name) ?? 0)) continue;
      try {
        const n = await step();
        if (UNHURRIED.has(name)) this.notBefore.set(name, began + (performance.now() - began) / SHARE);
        if (n > 0) this.deps.log.debug({ step: name, n }, 'sweep repaired');
        repaired += n;
      } catch (err) {
        this.deps.log.warn({ err, step: name }, 'sweep step failed');
      }
    }
    return repaired > 0;
  }

  /** Compares a window of counters with their definition; drift should never happen and is an alarm (engine-rules 3). */
  private async audit(): Promise<number> {
    const { pool } = this.deps.db;
    const { rows } = await pool.query<{ id: number; stored: number; truth: number }>('SELECT id, stored, truth FROM drifted_counters($1, $2)', [
      this.auditFrom,
      this.auditFrom + AUDIT_WINDOW,
    ]);
    const { rows: top } = await pool.query<{ top: number | null }>('SELECT max(id) AS top FROM node_roles');
    this.auditFrom = this.auditFrom + AUDIT_WINDOW > (top[0]?.top ?? 0) ? 0 : this.auditFrom + AUDIT_WINDOW;
    if (rows.length === 0) return 0;
    // A settle that commits between the two reads of one snapshot cannot be seen half: what is here is real.
    this.deps.log.error({ drifted: rows.slice(0, 20) }, 'pending_parents differs from its definition');
    await pool.query(`SELECT emit_events(ARRAY[('alarm', 'engine', 0, 0, $1::jsonb)::engine_event])`, [
      JSON.stringify({
        code: 'counter-drift',
        message: `pending_parents differs from its definition on ${rows.length} noderoles`,
        noderoles: rows.slice(0, 20).map((row) => row.id),
      }),
    ]);
    return 0;
  }
}
