/** Prometheus metrics: what this process counts, and what the database knows, read when asked. */
import type { RequestHandler } from 'express';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { z } from 'zod';
import { countLiveRuns } from '../annealer/status.js';
import type { Db } from '../db/client.js';
import { countAll } from './views/counts.js';

export type Metrics = {
  registry: Registry;
  /** Times every request by the route that answered it. */
  measure: RequestHandler;
  /** Counts a noderole's move. */
  countTransition(to: string): void;
};

/** Buckets in seconds: reads take milliseconds, a power action up to a minute. */
const DURATION_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A registry of its own, so that two apps in one process (tests) do not share counts. */
export function createMetrics(db: Db): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'prybar_' });
  const durations = new Histogram({
    name: 'prybar_http_request_duration_seconds',
    help: 'Duration of HTTP requests',
    labelNames: ['method', 'route', 'status'],
    buckets: DURATION_BUCKETS,
    registers: [registry],
  });
  const transitions = new Counter({
    name: 'prybar_noderole_transitions_total',
    help: 'Moves of noderoles seen by this process, by the state they went to',
    labelNames: ['to'],
    registers: [registry],
  });
  addStateGauges(db, registry);
  addOutboxGauges(db, registry);
  addDeliveryGauges(db, registry);
  addBootServerGauge(db, registry);
  return {
    registry,
    measure(req, res, next) {
      const end = durations.startTimer({ method: req.method });
      res.on('close', () => {
        // Streams and long polls last as long as they last: their duration says nothing.
        if (res.locals.isStream === true) return;
        end({ route: typeof res.locals.route === 'string' ? res.locals.route : 'other', status: String(res.statusCode) });
      });
      next();
    },
    countTransition: (to) => transitions.inc({ to }),
  };
}

function addStateGauges(db: Db, registry: Registry): void {
  new Gauge({
    name: 'prybar_noderoles',
    help: 'Noderoles by state',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      for (const [state, count] of Object.entries(await countAll(db))) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'prybar_runs_live',
    help: 'Runs that have not ended, by status',
    labelNames: ['status'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const status of ['QUEUED', 'RUNNING', 'WAITING', 'WAKING', 'STOPPING']) this.set({ status }, 0);
      for (const { status, n } of await countLiveRuns(db.pool)) this.set({ status }, n);
    },
  });
}

function addOutboxGauges(db: Db, registry: Registry): void {
  new Gauge({
    name: 'prybar_outbox_lag',
    help: 'Batches of events that a consumer has yet to follow; consumer "sequencer": batches without a position',
    labelNames: ['consumer'],
    registers: [registry],
    async collect() {
      this.reset();
      const { rows } = await db.pool.query<{ consumer: string; lag: number }>(
        `SELECT 'sequencer' AS consumer, count(*)::int AS lag FROM outbox_batches WHERE pos IS NULL
         UNION ALL
         SELECT name, greatest(0, coalesce((SELECT max(pos) FROM outbox_batches), 0) - pos)::int FROM outbox_consumers WHERE name <> 'sequencer'`,
      );
      for (const row of rows) this.set({ consumer: row.consumer }, row.lag);
    },
  });
}

/** Calls of role hooks and of webhooks by how they stand; an operator looks at `parked` and `dead`. */
function addDeliveryGauges(db: Db, registry: Registry): void {
  new Gauge({
    name: 'prybar_hook_deliveries',
    help: 'Calls of role hooks that are pending (due, running or backing off) or parked for an operator',
    labelNames: ['status'],
    registers: [registry],
    async collect() {
      const { rows } = await db.pool.query<{ pending: number; parked: number }>(
        `SELECT count(*) FILTER (WHERE parked_at IS NULL)::int AS pending, count(*) FILTER (WHERE parked_at IS NOT NULL)::int AS parked FROM hook_deliveries`,
      );
      this.set({ status: 'pending' }, rows[0]?.pending ?? 0);
      this.set({ status: 'parked' }, rows[0]?.parked ?? 0);
    },
  });
  new Gauge({
    name: 'prybar_webhook_deliveries',
    help: 'Deliveries of webhooks that are pending or dead, by webhook',
    labelNames: ['webhook', 'status'],
    registers: [registry],
    async collect() {
      this.reset();
      const { rows } = await db.pool.query<{ webhook: string; status: string; count: number }>(
        `SELECT w.name AS webhook, s.status, count(d.id)::int AS count FROM webhooks w CROSS JOIN (VALUES ('pending'), ('dead')) s(status)
           LEFT JOIN webhook_deliveries d ON d.webhook_id = w.id AND d.status = s.status GROUP BY w.name, s.status`,
      );
      for (const row of rows) this.set({ webhook: row.webhook, status: row.status }, row.count);
    },
  });
}

/** What DHCP, TFTP and boot HTTP count; they write it into their row with each heartbeat. One level of nesting is a reason. */
const countersSchema = z.record(z.string(), z.union([z.number(), z.record(z.string(), z.number())]).catch(0));

function addBootServerGauge(db: Db, registry: Registry): void {
  new Gauge({
    name: 'prybar_boot_server_count',
    help: "Totals of each boot server since its start; 'reason' splits a counter",
    labelNames: ['kind', 'host', 'counter', 'reason'],
    registers: [registry],
    async collect() {
      this.reset();
      const servers = await db.prisma.bootServer.findMany({
        where: { status: { not: 'out' }, leaseUntil: { gt: new Date() } },
        select: { kind: true, host: true, counters: true },
      });
      for (const { kind, host, counters } of servers) {
        for (const [counter, value] of Object.entries(countersSchema.safeParse(counters).data ?? {})) {
          if (typeof value === 'number') this.set({ kind, host, counter, reason: '' }, value);
          else for (const [reason, count] of Object.entries(value)) this.set({ kind, host, counter, reason }, count);
        }
      }
    },
  });
}
