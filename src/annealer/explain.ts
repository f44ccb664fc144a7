/** Reads what `why` needs about one noderole and lets it answer. */
import type { Db } from '../db/client.js';
import { NotFoundError } from '../shared/errors.js';
import { listCaps } from './caps.js';
import { rolloutHold } from './rollout-read.js';
import { wayUp } from './way-up.js';
import { why, type WhyAnswer, type WhyView } from './why.js';

export type { WhyAnswer } from './why.js';

/** Why the noderole is as it is. `servedReasons` (nodes domain) says in words what a node's boot servers lack. */
export async function explainNodeRole(db: Db, id: number, servedReasons: (nodeId: number) => Promise<string[]> = async () => []): Promise<WhyAnswer> {
  const nr = await db.prisma.nodeRole.findUnique({ where: { id }, include: { role: true, deployment: true, node: { include: { status: true } } } });
  if (!nr) throw new NotFoundError('noderole', id);
  const [run, slot, workers, ahead] = await Promise.all([
    nr.currentRunId === null ? null : db.prisma.run.findUnique({ where: { id: nr.currentRunId }, include: { waits: true } }),
    db.prisma.run.findFirst({
      where: {
        exclusiveKey: nr.node.kind === 'machine' ? String(nr.nodeId) : `${nr.nodeId}:${nr.roleId}`,
        holdsSlot: true,
        status: { not: 'ENDED' },
        // Of its own only the one that is its run now: one that is being stopped holds it up like any other.
        ...(nr.currentRunId === null ? {} : { id: { not: nr.currentRunId } }),
      },
      include: { nodeRole: { include: { role: true, node: true } } },
    }),
    db.prisma.workerSlot.count({ where: { jobClass: nr.role.jobClass, heartbeatAt: { gt: new Date(Date.now() - 30_000) } } }),
    db.prisma.nodeRole.findFirst({
      where: { nodeId: nr.nodeId, state: 'TODO', OR: [{ cohort: { lt: nr.cohort } }, { cohort: nr.cohort, id: { lt: id } }] },
      include: { role: true, node: true },
      orderBy: [{ cohort: 'asc' }, { id: 'asc' }],
    }),
  ]);
  const ancestors = await wayUp(db, id);
  const view: WhyView = {
    id,
    name: `${nr.role.name}@${nr.node.name}`,
    state: nr.state,
    since: nr.changedAt,
    failures: nr.failures,
    notBefore: nr.notBefore,
    error: nr.errorCode === null ? null : { code: nr.errorCode, message: nr.errorMessage ?? '' },
    deployment: { name: nr.deployment.name, committed: nr.deployment.committedAt !== null, paused: nr.deployment.pausedAt !== null },
    node: {
      id: nr.nodeId,
      name: nr.node.name,
      kind: nr.node.kind,
      alive: nr.node.alive,
      available: nr.node.available,
      deleting: nr.node.deleting,
      bootClass: nr.node.bootClass,
      phase: nr.node.status?.phase ?? 'unseen',
      phaseDetail: nr.node.status?.phaseDetail ?? '',
      heartbeatAt: nr.node.status?.heartbeatAt ?? null,
    },
    beyondTarget: nr.state === 'TODO' && nr.node.targetRoleId !== null ? await beyondTarget(db, nr.nodeId, nr.node.targetRoleId, id) : null,
    rollout: nr.state === 'TODO' ? await rolloutHold(db.pool, id) : null,
    cap: await capReached(db, nr.role.jobClass, nr.deployment),
    soft: await softPredecessor(db, nr),
    runsIn: nr.role.runsIn,
    jobClass: nr.role.jobClass,
    workersAlive: workers > 0,
    run: run && {
      id: Number(run.id),
      status: run.status,
      since: run.startedAt ?? run.createdAt,
      worker: run.worker,
      unabortable: run.unabortable,
      cancelBy: run.cancelBy,
      wait: run.waits && { key: run.waits.key, deadline: run.waits.deadline, detail: await waitDetail(db, nr.nodeId, run.waits.key, servedReasons) },
    },
    slot: slot && {
      runId: Number(slot.id),
      name: `${slot.nodeRole.role.name}@${slot.nodeRole.node.name}`,
      status: slot.status,
      since: slot.stoppingAt ?? slot.startedAt ?? slot.createdAt,
      stuck: slot.stuckAt !== null,
      note: slot.stopNote,
    },
    ancestors,
    root: nr.state === 'BLOCKED' ? await explainRoot(db, ancestors.at(-1), servedReasons) : null,
    ahead: ahead && { id: ahead.id, name: `${ahead.role.name}@${ahead.node.name}` },
    now: new Date(),
  };
  return why(view);
}

/** What is not BLOCKED has no way up of its own, so this ends here; an ERROR and what is PROPOSED say enough by themselves. */
async function explainRoot(
  db: Db,
  root: WhyView['ancestors'][number] | undefined,
  servedReasons: (nodeId: number) => Promise<string[]>,
): Promise<WhyAnswer | null> {
  if (root?.state !== 'TODO' && root?.state !== 'TRANSITION') return null;
  const answer = await explainNodeRole(db, root.id, servedReasons);
  // It has moved since the way was read: then what stands on the way is told alone.
  return answer.noderole.state === root.state ? answer : null;
}

/** The cap that a new run of the class in the deployment would exceed. */
async function capReached(db: Db, jobClass: string, deployment: { id: number; name: string }): Promise<WhyView['cap']> {
  const mine = new Map([
    ['total', 'total'],
    [jobClass, jobClass],
    [`deployment:${deployment.id}`, `deployment:${deployment.name}`],
  ]);
  const full = (await listCaps(db)).find((cap) => mine.has(cap.name) && cap.used >= cap.max);
  return full === undefined ? null : { ...full, name: mine.get(full.name) ?? full.name };
}

async function softPredecessor(
  db: Db,
  nr: { id: number; nodeId: number; deploymentId: number; role: { softAfter: number[]; softAfterDeployment: number[] } },
): Promise<WhyView['soft']> {
  const { softAfter, softAfterDeployment } = nr.role;
  if (softAfter.length === 0 && softAfterDeployment.length === 0) return null;
  const { rows } = await db.pool.query<{ id: number | null }>('SELECT soft_predecessor($1, $2, $3, $4, $5) AS id', [
    nr.id,
    nr.nodeId,
    nr.deploymentId,
    softAfter,
    softAfterDeployment,
  ]);
  const id = rows[0]?.id ?? null;
  if (id === null) return null;
  const before = await db.prisma.nodeRole.findUniqueOrThrow({ where: { id }, include: { role: true, node: true } });
  return { id, name: `${before.role.name}@${before.node.name}`, state: before.state };
}

async function waitDetail(db: Db, nodeId: number, key: string, servedReasons: (nodeId: number) => Promise<string[]>): Promise<string[]> {
  const [kind, subject] = key.split(':');
  if (kind === 'served') return servedReasons(nodeId);
  const status = await db.prisma.nodeStatus.findUnique({ where: { nodeId } });
  const seen = status ? `the node was last seen in boot phase ${status.phase} ${status.phaseDetail}`.trim() : 'the node was not seen yet';
  if (kind === 'install') {
    const install = await db.prisma.install.findUnique({ where: { id: Number(subject) } });
    return [seen, `the installation of ${install?.bootenv ?? 'the system'} is ${install?.status ?? 'unknown'}; it ends when the installer posts bootenv-local`];
  }
  if (kind === 'boot') return [seen, 'the node must report alive from its disk'];
  if (kind === 'work') {
    const work = await db.prisma.agentWork.findUnique({ where: { runId: BigInt(subject ?? 0) } });
    return [work?.status === 'offered' ? `the agent has not taken the work yet; ${seen}` : 'the agent of the node is at work'];
  }
  return [`${key} must come true`];
}

/** The name of the node's target role when the noderole is none of what leads to it. */
async function beyondTarget(db: Db, nodeId: number, targetRoleId: number, id: number): Promise<string | null> {
  const { rows } = await db.pool.query<{ name: string; leads: boolean }>('SELECT name, $3 = ANY(target_line($1, $2)) AS leads FROM roles WHERE id = $2', [
    nodeId,
    targetRoleId,
    id,
  ]);
  return rows[0] && !rows[0].leads ? rows[0].name : null;
}
