import { BootFailure } from '../boot-failure.js';
import { pauseAfter, type BootLife } from '../life.js';
import { pause } from '../pause.js';
import { jitter } from '../random.js';
import { HttpSilence, type HttpAnswer, type HttpQuestion } from '../wire/http-client.js';
import { parseJson, refusalText } from './messages.js';
import type { z } from 'zod';

/** Tries of one call before a machine gives up and reboots: about two minutes of silence with the default pauses. */
const MAX_TRIES = 30;

/**
 * Makes a call until it is answered: silence, 429 and 5xx are retried, each time later. Returns the first other answer,
 * whatever its status. Rejects with BootFailure `http-failed` after MAX_TRIES.
 */
export async function callHome(life: BootLife, question: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
  let problem = '';
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    try {
      const answer = await life.http.ask(question, signal);
      if (answer.status < 500 && answer.status !== 429) return answer;
      problem = refusalText(answer.status, answer.body);
    } catch (error) {
      if (!(error instanceof HttpSilence)) throw error;
      problem = error.message;
    }
    await pause(jitter(life.random, pauseAfter(life.timing.callRetryPausesMs, tries)), signal);
  }
  throw new BootFailure('http-failed', `${question.url}: ${problem}`);
}

/** callHome for a call that has to succeed: the body as the schema reads it, or BootFailure `callback-refused`. */
export async function callHomeFor<Schema extends z.ZodType>(
  life: BootLife,
  question: HttpQuestion,
  schema: Schema,
  signal: AbortSignal,
): Promise<z.infer<Schema>> {
  const answer = await callHome(life, question, signal);
  const path = new URL(question.url).pathname.replace(/[A-Za-z0-9_-]{32,}/, '…');
  if (answer.status !== 200) throw new BootFailure('callback-refused', `${path}: ${refusalText(answer.status, answer.body)}`);
  const parsed = schema.safeParse(parseJson(answer.body));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new BootFailure('callback-refused', `${path}: the answer is not of the contract (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`);
}
