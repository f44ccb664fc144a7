/** What the simulated rack reported on its stdout: one JSON object a line in <home>/log/rack.log. */
import { z } from 'zod';
import type { Counters } from '../../../src/simulator/counters.js';

const lineSchema = z.looseObject({ event: z.string() });
const machineSchema = z.looseObject({ event: z.literal('machine'), serial: z.string(), phase: z.string() });
const count = z.number();
const countersSchema = z.looseObject({
  event: z.literal('counters'),
  complete: count,
  of: count,
  totals: z.record(z.string(), count),
  machines: z.record(z.string(), z.record(z.string(), count)),
});

export type RackCounters = { complete: number; of: number; totals: Counters; machines: Record<string, Counters> };

function lines(log: string): unknown[] {
  return log.split('\n').flatMap((line) => {
    // Warnings of Node share the file.
    if (!line.startsWith('{')) return [];
    const parsed: unknown = JSON.parse(line);
    return lineSchema.safeParse(parsed).success ? [parsed] : [];
  });
}

/** The counters of each rack process that ended by itself, in order. */
export function countersIn(log: string): RackCounters[] {
  return lines(log).flatMap((line) => {
    const parsed = countersSchema.safeParse(line);
    return parsed.success ? [parsed.data as unknown as RackCounters] : [];
  });
}

/** Every phase that any machine showed since `from` characters of the log. */
export function phasesIn(log: string, from = 0): Set<string> {
  return new Set(
    lines(log.slice(from)).flatMap((line) => {
      const parsed = machineSchema.safeParse(line);
      return parsed.success ? [parsed.data.phase] : [];
    }),
  );
}
