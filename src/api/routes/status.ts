/** `/status` and `/anneal`: how the whole of it is. */
import { annealStatus, type AnnealStatus } from '../../annealer/status.js';
import type { Db } from '../../db/client.js';
import type { QueueInfo } from '../deps.js';
import { defineRoute, type Route } from '../route.js';
import * as s from '../schemas.js';
import { timeOrNull } from '../views/json.js';

export type StatusDeps = { db: Db; version: string; queueInfo: QueueInfo; databaseKind: string };

export function statusRoutes(deps: StatusDeps): Route[] {
  const { db } = deps;
  return [
    defineRoute({
      method: 'get',
      path: '/status',
      scope: 'viewer',
      tag: 'status',
      summary: 'The server, its nodes, noderoles and runs in numbers',
      answer: s.statusSchema,
      handle: () => readStatus(deps),
    }),
    defineRoute({
      method: 'get',
      path: '/anneal',
      scope: 'viewer',
      tag: 'status',
      summary: 'How far the annealing is',
      answer: s.annealSchema,
      handle: async () => viewAnneal(await annealStatus(db)),
    }),
  ];
}

async function readStatus({ db, version, queueInfo, databaseKind }: StatusDeps): Promise<s.Status> {
  const [anneal, nodes, alive, servers] = await Promise.all([
    annealStatus(db),
    db.prisma.node.count({ where: { kind: 'machine' } }),
    db.prisma.node.count({ where: { kind: 'machine', alive: true } }),
    db.prisma.bootServer.findMany({
      where: { status: { not: 'out' } },
      orderBy: [{ kind: 'asc' }, { host: 'asc' }, { startedAt: 'asc' }],
      select: { kind: true, host: true, status: true, servedRevision: true, leaseUntil: true },
    }),
  ]);
  const { queued, running, waiting, stopping } = anneal.runs;
  return {
    version,
    database: { kind: databaseKind },
    queue: { backend: queueInfo.backend },
    uptime_seconds: Math.floor(process.uptime()),
    nodes: { total: nodes, alive },
    noderoles: anneal.noderoles,
    runs: { live: queued + running + waiting + stopping, ...anneal.runs },
    transitions_per_second: anneal.transitionsPerSecond,
    servers: servers
      .filter((server) => server.leaseUntil.getTime() > Date.now())
      .map((server) => ({ kind: server.kind, host: server.host, status: server.status, served_revision: Number(server.servedRevision) })),
  };
}

function viewAnneal(status: AnnealStatus): s.Anneal {
  return {
    state: status.state,
    noderoles: status.noderoles,
    runs: status.runs,
    transitions_per_second: status.transitionsPerSecond,
    not_before_next: timeOrNull(status.notBeforeNext),
  };
}
