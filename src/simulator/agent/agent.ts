import { pauseAfter, type BootLife } from '../life.js';
import { pause } from '../pause.js';
import { jitter } from '../random.js';
import { HttpSilence, type HttpAnswer, type HttpQuestion } from '../wire/http-client.js';
import { parseJson, workSchema, type Work } from './messages.js';
import { runScript } from './script-run.js';
import type { NodeSession } from './session.js';

/** Why an agent stopped: it was told to reboot, or its token is no longer good and it has to announce itself again. */
export type AgentEnd = 'reboot' | 'refused';

/** A long poll may be answered this much later than it asked for before the agent calls it silence. */
const POLL_SLACK_MS = 10_000;

/**
 * The agent of a running system: heartbeats and a long poll for work, until it is told to reboot or is refused. It starts
 * nothing while a script runs, as the real one holds one lock. Rejects only when the power goes.
 */
export async function runAgent(life: BootLife, session: NodeSession, signal: AbortSignal): Promise<AgentEnd> {
  const over = new AbortController();
  const both = AbortSignal.any([signal, over.signal]);
  const loops = [keepAlive(life, session, both), doWork(life, session, both)];
  try {
    return await Promise.race(loops);
  } finally {
    over.abort();
    // The loser of the race ends by the signal; its rejection is expected and must not count as unhandled.
    await Promise.allSettled(loops);
  }
}

async function keepAlive(life: BootLife, session: NodeSession, signal: AbortSignal): Promise<AgentEnd> {
  // The first one at a random point of the interval: a rack that booted together does not beat together.
  let nextMs = life.random() * session.heartbeatSeconds * 1000;
  for (;;) {
    await pause(nextMs, signal);
    nextMs = session.heartbeatSeconds * 1000;
    const answer = await tryOnce(life, { method: 'POST', url: `${session.nodeUrl}/heartbeat`, token: session.token, json: { boot_id: life.bootId } }, signal);
    if (answer !== undefined) life.counters.heartbeats += 1;
    if (answer !== undefined && isRefusal(answer.status)) return 'refused';
  }
}

async function doWork(life: BootLife, session: NodeSession, signal: AbortSignal): Promise<AgentEnd> {
  const json = { boot_id: life.bootId, wait_seconds: session.waitSeconds };
  const question: HttpQuestion = {
    method: 'POST',
    url: `${session.nodeUrl}/work`,
    token: session.token,
    json,
    timeoutMs: session.waitSeconds * 1000 + POLL_SLACK_MS,
  };
  let failures = 0;
  for (;;) {
    const answer = await tryOnce(life, question, signal);
    if (answer !== undefined) life.counters.polls += 1;
    if (answer !== undefined && isRefusal(answer.status)) return 'refused';
    const work = answer?.status === 200 ? readWork(answer) : undefined;
    if (work?.kind === 'reboot') return 'reboot';
    if (work !== undefined) {
      life.show('running', `run ${work.run_id}`);
      await runScript(life, session, work, signal);
      life.show('running', 'idle');
    }
    failures = work !== undefined || answer?.status === 204 ? 0 : failures + 1;
    if (failures > 0) await pause(jitter(life.random, pauseAfter(life.timing.callRetryPausesMs, failures - 1)), signal);
  }
}

/** One try; silence is an answer too (undefined): the next beat or poll comes anyway. */
async function tryOnce(life: BootLife, question: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer | undefined> {
  try {
    return await life.http.ask(question, signal);
  } catch (error) {
    if (error instanceof HttpSilence) return undefined;
    throw error;
  }
}

/** 401 and 403: the token is dead. 404: the node is gone. 409: another boot of this machine has been reported. */
function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 404 || status === 409;
}

function readWork(answer: HttpAnswer): Work | undefined {
  const parsed = workSchema.safeParse(parseJson(answer.body));
  return parsed.success ? parsed.data : undefined;
}
