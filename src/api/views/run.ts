/** Runs as the API shows them. */
import { maskInputs } from '../../attribs/shown-inputs.js';
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import { NotFoundError } from '../../shared/errors.js';
import { pageWindow, toPage, type PageQuery } from '../paging.js';
import { runOutcomeSchema, type Page, type Run, type RunOutcome } from '../schemas.js';
import type { JsonObject } from '../../shared/json.js';
import { idOf, objectOf, timeOrNull } from './json.js';

const SHOWN = {
  id: true,
  nodeRoleId: true,
  attempt: true,
  retryOf: true,
  status: true,
  outcome: true,
  jig: true,
  jobClass: true,
  errorCode: true,
  errorMessage: true,
  exitStatus: true,
  createdAt: true,
  startedAt: true,
  endedAt: true,
  waits: { select: { key: true, deadline: true, keeps: true } },
  nodeRole: { select: { node: { select: { id: true, name: true } }, role: { select: { id: true, name: true } } } },
} as const satisfies Prisma.RunSelect;

type Row = Prisma.RunGetPayload<{ select: typeof SHOWN }>;

/** A page of runs, the newest first: `after` is the id of the last one seen. */
export async function listRuns(db: Db, where: Prisma.RunWhereInput, query: PageQuery): Promise<Page<Run>> {
  const { afterId, take } = pageWindow(query, Number.MAX_SAFE_INTEGER);
  const [rows, total] = await Promise.all([
    db.prisma.run.findMany({
      where: query.after === undefined ? where : { AND: [where, { id: { lt: afterId } }] },
      orderBy: { id: 'desc' },
      take,
      select: SHOWN,
    }),
    db.prisma.run.count({ where }),
  ]);
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: viewRun });
}

/** One run with its frozen inputs. Throws NotFoundError. */
export async function readRun(db: Db, id: number): Promise<Run> {
  const row = await db.prisma.run.findUnique({ where: { id }, select: { ...SHOWN, roleId: true, inputs: true } });
  if (row === null) throw new NotFoundError('run', id);
  const inputs = row.inputs === null ? null : await maskInputs(db.pool, row.roleId, objectOf(row.inputs) as JsonObject);
  return { ...viewRun(row), inputs };
}

function viewRun(row: Row): Run {
  const wait = row.waits;
  return {
    id: idOf(row.id),
    noderole_id: row.nodeRoleId,
    node: row.nodeRole.node,
    role: row.nodeRole.role,
    attempt: row.attempt,
    retry_of: row.retryOf === null ? null : idOf(row.retryOf),
    status: row.status,
    outcome: row.outcome === null ? null : wireOutcome(row.outcome),
    jig: row.jig,
    job_class: row.jobClass,
    error: row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage ?? '' },
    exit_status: row.exitStatus,
    wait: wait === null ? null : { key: wait.key, deadline: wait.deadline.toISOString(), keeps: wait.keeps },
    created_at: row.createdAt.toISOString(),
    started_at: timeOrNull(row.startedAt),
    ended_at: timeOrNull(row.endedAt),
  };
}

/** Prisma's names have an underscore where the database and the wire have a dash. */
function wireOutcome(outcome: NonNullable<Row['outcome']>): RunOutcome {
  return runOutcomeSchema.parse(outcome.replaceAll('_', '-'));
}

/** The wire's word as Prisma names it, for filters. */
export function storedOutcome(outcome: RunOutcome): NonNullable<Row['outcome']> {
  if (outcome === 'node-rebooted') return 'node_rebooted';
  if (outcome === 'node-lost') return 'node_lost';
  if (outcome === 'lease-lost') return 'lease_lost';
  if (outcome === 'internal-error') return 'internal_error';
  return outcome;
}
