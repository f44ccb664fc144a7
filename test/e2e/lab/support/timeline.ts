/** A machine's boot, as its timeline tells it. */
import { waitFor } from '../../../support/wait-for.js';
import type { EmulatedMachine } from './emulator.js';
import type { Site } from './service.js';

export type Step = { kind: string; text: string; /** Since 1970. */ ms: number };

/** What a machine that is emulated needs at most; an idle host needs 6 to 13 s. */
export const BOOT_MS = 180_000;

/** The steps of a machine, the oldest first. */
export async function timelineOf(site: Site, mac: string): Promise<Step[]> {
  const { rows } = await site.pool.query<Step>(
    `SELECT kind, detail->>'text' AS text, (extract(epoch FROM at) * 1000)::float8 AS ms FROM boot_events WHERE mac = $1 ORDER BY at, id`,
    [mac],
  );
  return rows;
}

/** The wanted kinds, if they are there in this order, whatever stands between them; undefined while one is missing. */
export function inOrder(steps: readonly Step[], wanted: readonly string[]): string[] | undefined {
  const found: string[] = [];
  for (const { kind } of steps) if (kind === wanted[found.length]) found.push(kind);
  return found.length === wanted.length ? found : undefined;
}

/** Waits for what a boot must come to. Rejects with all that is known of the machine. */
export async function waitForBoot<T>(
  { site, machine, mac }: { site: Site; machine: EmulatedMachine; mac: string },
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = BOOT_MS,
): Promise<NonNullable<T>> {
  return waitFor(condition, { what, timeoutMs, everyMs: 250 }).catch(async (error: unknown) => {
    const steps = (await timelineOf(site, mac)).map((step) => `${step.kind}: ${step.text}`);
    throw new Error(`${String(error)}\n${machine.console().slice(-4000)}\n${steps.join('\n')}`);
  });
}
