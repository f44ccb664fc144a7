/** wrk, the load of the HTTP bench: what it saw in a few seconds. */
import { ensureTools } from '../../lib/debian-tools.mjs';
import { runClient } from '../lib/program.js';

export type HttpLoad = { url: string; connections: number; seconds: number; script?: string };
export type HttpSeen = { requestsPerSecond: number; megabytesPerSecond: number; requests: number; megabytes: number };

const UNITS: Record<string, number> = { B: 1 / 2 ** 20, KB: 1 / 2 ** 10, MB: 1, GB: 2 ** 10, TB: 2 ** 20 };

/** Rejects when an answer was not 2xx, or a connection failed. */
export async function runWrk({ url, connections, seconds, script }: HttpLoad): Promise<HttpSeen> {
  const { wrk } = await ensureTools(['wrk']);
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', ...(script === undefined ? [] : ['-s', script]), url];
  const out = await runClient({ path: wrk.path, args, env: wrk.env }, (seconds + 60) * 1_000);
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(out)?.[1] ?? /Socket errors: (.*)/.exec(out)?.[1];
  if (bad !== undefined) throw new Error(`${url} failed under load: ${bad}`);
  const [, requests = '0', amount = '0', unit = 'B'] = /(\d+) requests in [\d.]+\w+, ([\d.]+)(\w+) read/.exec(out) ?? [];
  const [, perSecond = '0', perSecondUnit = 'B'] = /Transfer\/sec:\s+([\d.]+)(\w+)/.exec(out) ?? [];
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(out)?.[1] ?? 0),
    megabytesPerSecond: Number(perSecond) * (UNITS[perSecondUnit] ?? 0),
    requests: Number(requests),
    megabytes: Number(amount) * (UNITS[unit] ?? 0),
  };
}
