/** Work of a machine's agent: it asks (long poll), writes the log, renews its lease, reports. */
import { recordHeartbeat } from '../../nodes/boot.js';
import { pollWork, finishWork, renewWork, requireHeld, type WorkOffer } from '../../runs/agent-work.js';
import { maskText } from '../../attribs/secrets.js';
import { secretsOfRun } from '../../attribs/shown-inputs.js';
import { appendRunLog } from '../../runs/log.js';
import { ConflictError, NotFoundError } from '../../shared/errors.js';
import type { NodeRouterDeps } from '../deps.js';
import { agentOfBoot, tokenOfNode } from '../node-auth.js';
import * as n from '../node-schemas.js';
import { defineNodeRoute, type Call, type Route } from '../route.js';

const tag = 'machines';

/**
 * A run's log holds the jig's lines and the agent's. The agent counts its chunks from 1 and may send one twice, so its
 * numbers are moved behind any that the jig takes.
 */
const AGENT_LOG_OFFSET = 1000;

/** Without a ring the database is asked at least this often. The doorbell looks for all who wait much more often. */
const POLL_AGAIN_MS = 5_000;

export function workRoutes(deps: NodeRouterDeps): Route[] {
  const { db } = deps;
  return [
    defineNodeRoute({
      method: 'post',
      path: '/node/:id/work',
      tag,
      summary: 'The agent asks for work and waits for it; 204 when there is none (agent token)',
      params: n.nodePathSchema,
      body: n.workPollSchema,
      answer: n.workOfferSchema,
      refusals: [409],
      async handle({ params, body, call }) {
        await agentOfBoot(db, call, params.id, body.boot_id);
        if (!(await recordHeartbeat(db, params.id, body.boot_id))) throw new ConflictError('the node has booted anew since', { code: 'stale-boot' });
        call.res.locals.isStream = true;
        const offer = await waitForWork(deps, { nodeId: params.id, bootId: body.boot_id }, body.wait_seconds * 1000, call);
        return offer === null ? undefined : viewOffer(offer, deps.config.runLogBytes);
      },
    }),
    defineNodeRoute({
      method: 'post',
      path: '/node/:id/runs/:run_id/log',
      tag,
      summary: 'A chunk of the log; a number sent again is the same chunk (agent token)',
      params: n.nodeRunPathSchema,
      body: n.logChunkSchema,
      async handle({ params, body, call }) {
        await tokenOfNode(db, call, 'agent', params.id);
        await requireOwnRun(deps, params.id, params.run_id);
        // Not taken means it was there already, or came too late to matter: the agent has nothing to do about either.
        const text = maskText(body.text, await secretsOfRun(db.pool, params.run_id));
        await appendRunLog(db.pool, { runId: params.run_id, fence: body.fence, seq: body.seq + AGENT_LOG_OFFSET, text });
      },
    }),
    defineNodeRoute({
      method: 'post',
      path: '/node/:id/runs/:run_id/renew',
      tag,
      summary: 'The agent still works on it; 409 means stop (agent token)',
      params: n.nodeRunPathSchema,
      body: n.renewSchema,
      answer: n.renewAnswerSchema,
      refusals: [409],
      async handle({ params, body, call }) {
        await tokenOfNode(db, call, 'agent', params.id);
        const work = { nodeId: params.id, runId: params.run_id, fence: body.fence };
        const { leaseSeconds } = await renewWork(db, work);
        call.res.locals.isStream = true;
        await waitForNews(deps, work, body.wait_seconds * 1000, call);
        return { lease_seconds: leaseSeconds };
      },
    }),
    defineNodeRoute({
      method: 'post',
      path: '/node/:id/runs/:run_id/result',
      tag,
      summary: 'The work is done; repeating the report changes nothing (agent token)',
      params: n.nodeRunPathSchema,
      body: n.resultSchema,
      answer: n.resultAnswerSchema,
      refusals: [409],
      async handle({ params, body, call }) {
        await tokenOfNode(db, call, 'agent', params.id);
        await requireOwnRun(deps, params.id, params.run_id);
        const accepted = await finishWork(db, {
          nodeId: params.id,
          runId: params.run_id,
          fence: body.fence,
          exitStatus: body.exit_status,
          wall: body.wall ?? {},
        });
        return { accepted };
      },
    }),
  ];
}

/** A machine may speak of its own work alone; another's does not exist for it. */
async function requireOwnRun({ db }: NodeRouterDeps, nodeId: number, runId: number): Promise<void> {
  const { rowCount } = await db.pool.query('SELECT 1 FROM agent_work WHERE run_id = $1 AND node_id = $2', [runId, nodeId]);
  if (rowCount === 0) throw new NotFoundError('run', runId);
}

/** Work for the agent, or null when the time is over, the agent went away or the server stops. */
async function waitForWork(deps: NodeRouterDeps, who: { nodeId: number; bootId: string }, waitMs: number, call: Call): Promise<WorkOffer | null> {
  const signal = AbortSignal.any([call.signal, deps.closing]);
  const until = Date.now() + waitMs;
  for (;;) {
    // Work given to a connection that is gone would be lost until the agent asks again.
    if (signal.aborted) return null;
    const offer = await pollWork(deps.db, who);
    const leftMs = until - Date.now();
    if (offer !== null || leftMs <= 0) return offer;
    await deps.wakeWork.wait(who.nodeId, Math.min(leftMs, POLL_AGAIN_MS), signal);
  }
}

/** Returns when the time is over; throws ConflictError `stop` as soon as the work is no longer the agent's. */
async function waitForNews(deps: NodeRouterDeps, work: { nodeId: number; runId: number; fence: number }, waitMs: number, call: Call): Promise<void> {
  const signal = AbortSignal.any([call.signal, deps.closing]);
  const until = Date.now() + waitMs;
  for (;;) {
    const leftMs = until - Date.now();
    if (leftMs <= 0 || signal.aborted) return;
    await deps.wakeWork.wait(work.nodeId, Math.min(leftMs, POLL_AGAIN_MS), signal);
    await requireHeld(deps.db, work);
  }
}

function viewOffer(offer: WorkOffer, logLimitBytes: number | undefined) {
  return {
    kind: offer.kind,
    run_id: offer.runId,
    fence: offer.fence,
    script: offer.script,
    env: offer.env,
    timeout_seconds: offer.timeoutSeconds,
    lease_seconds: offer.leaseSeconds,
    ...(logLimitBytes === undefined ? {} : { log_limit_bytes: logLimitBytes }),
  };
}
