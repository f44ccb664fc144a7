/** The simulated rack's power switch: HTTP with basic authentication, one switch for each serial number. */
import { z } from 'zod';
import { bmcRefused, bmcUnreachable, type BmcAddress, type NextBoot, type PowerDriver, type PowerTiming, type PowerVerb } from './power.js';

export const SIMULATED_TIMING: PowerTiming = { spacingMs: 0, verifyEveryMs: 100, verifyTimeoutMs: 15_000 };

const CALL_TIMEOUT_MS = 5_000;

const switchSchema = z.object({ power: z.enum(['on', 'off', 'unknown']) });

/** `serial` names the switch. The next boot is sent together with the next action: the switch knows no other way. */
export function simulatedDriver(bmc: BmcAddress, serial: string): PowerDriver {
  let nextBoot: NextBoot | null = null;
  const base = `http://${bmc.address}:${bmc.port}/bmc/${encodeURIComponent(serial)}`;
  const authorization = `Basic ${Buffer.from(`${bmc.username}:${bmc.password.reveal()}`).toString('base64')}`;

  async function call(path: string, init: { method: string; body?: string }, signal: AbortSignal): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(`${base}${path}`, {
        ...init,
        headers: { authorization, ...(init.body === undefined ? {} : { 'content-type': 'application/json' }) },
        signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]),
        redirect: 'error',
      });
    } catch (cause) {
      signal.throwIfAborted();
      throw bmcUnreachable(bmc, 'no answer', cause);
    }
    const text = await response.text().catch((cause: unknown) => {
      throw bmcUnreachable(bmc, 'the answer broke off', cause);
    });
    if (response.status === 401 || response.status === 403) throw bmcRefused(bmc, `HTTP ${response.status}`);
    if (!response.ok) throw bmcUnreachable(bmc, `HTTP ${response.status} for switch ${serial}`);
    return readJson(text);
  }

  async function act(action: PowerVerb, signal: AbortSignal): Promise<void> {
    await call('/power', { method: 'POST', body: JSON.stringify({ action, next_boot: nextBoot }) }, signal);
    nextBoot = null;
  }

  return {
    async status(signal) {
      const answer = switchSchema.safeParse(await call('', { method: 'GET' }, signal));
      if (!answer.success) throw bmcUnreachable(bmc, 'the answer does not say the power');
      return answer.data.power;
    },
    on: (signal) => act('on', signal),
    off: (signal) => act('off', signal),
    cycle: (signal) => act('cycle', signal),
    setNextBoot(target) {
      nextBoot = target;
      return Promise.resolve();
    },
  };
}

/** Undefined when it is not JSON: the caller's schema refuses it. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // an action's answer may be empty
  }
}
