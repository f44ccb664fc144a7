import { BootFailure } from '../boot-failure.js';
import type { BootLife } from '../life.js';
import { pause } from '../pause.js';
import { HttpSilence } from '../wire/http-client.js';
import { callHome } from './call-home.js';
import type { ScriptWork } from './messages.js';
import { planScript } from './script-plan.js';
import type { NodeSession } from './session.js';

/** Exit status of a script that ran out of its time, as timeout(1) gives it. */
const TIMED_OUT = 124;

/**
 * Pretends to run one script: log chunks while it goes on, the lease renewed at a third of its length, the result at the
 * end. A 409 to any of them means that the fence has moved on: the script is dropped at once and nothing more is posted.
 */
export async function runScript(life: BootLife, session: NodeSession, work: ScriptWork, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const base = `${session.nodeUrl}/runs/${work.run_id}`;
  const post = (verb: string, body: object, until: AbortSignal) =>
    callHome(life, { method: 'POST', url: `${base}/${verb}`, token: session.token, json: { fence: work.fence, ...body } }, until);
  /** True while the server still wants this run. */
  const report = async (verb: string, body: object, until: AbortSignal) => {
    const { status } = await post(verb, body, until);
    if (status < 400) return true;
    stop.abort();
    return false;
  };
  life.counters.works += 1;

  const renewal = setInterval(
    () => {
      // A renewal that fails is not the script's end: the next one may arrive, and the server owns the lease.
      report('renew', {}, running).catch(() => undefined);
    },
    (work.lease_seconds * 1000) / 3,
  );
  try {
    const plan = planScript(work.script, work.env, life.timing.scriptSeconds);
    const exitStatus = await perform(plan.steps, work.timeout_seconds, async (seq, text) => report('log', { seq, text }, running), running);
    await report('result', { exit_status: exitStatus ?? plan.exitStatus, ...(plan.wall === undefined ? {} : { wall: plan.wall }) }, running);
  } catch (error) {
    signal.throwIfAborted();
    // Stopped by a 409, or nobody answered for minutes: the run is the server's to settle, the agent asks for work again.
    if (!stop.signal.aborted && !(error instanceof BootFailure) && !(error instanceof HttpSilence)) throw error;
  } finally {
    clearInterval(renewal);
  }
}

/** Plays the steps; lines between two sleeps go out as one chunk. Returns 124 when the time is over, else undefined. */
async function perform(
  steps: ReturnType<typeof planScript>['steps'],
  timeoutSeconds: number,
  log: (seq: number, text: string) => Promise<boolean>,
  signal: AbortSignal,
): Promise<number | undefined> {
  let left = timeoutSeconds;
  let seq = 0;
  let text = '';
  const flush = async () => {
    if (text === '') return;
    seq += 1;
    const chunk = text;
    text = '';
    if (!(await log(seq, chunk))) signal.throwIfAborted();
  };
  for (const step of steps) {
    if (step.kind === 'log') {
      text += `${step.text}\n`;
      continue;
    }
    await flush();
    await pause(Math.min(step.seconds, left) * 1000, signal);
    left -= step.seconds;
    if (left <= 0) return TIMED_OUT;
  }
  await flush();
  return undefined;
}
