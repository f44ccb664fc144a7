/** PURE: how the whole installation is. */
import { z } from 'zod';
import { answer, time } from './shapes.js';
import { stateCountsSchema } from './words.js';

const liveRuns = { queued: z.int(), running: z.int(), waiting: z.int(), stopping: z.int() };

export const bootServerSchema = answer({ kind: z.string(), host: z.string(), status: z.string(), served_revision: z.int() });
export type BootServer = z.infer<typeof bootServerSchema>;

export const statusSchema = answer({
  version: z.string(),
  database: answer({ kind: z.string() }),
  queue: answer({ backend: z.string() }),
  uptime_seconds: z.int(),
  nodes: answer({ total: z.int(), alive: z.int() }),
  noderoles: stateCountsSchema,
  runs: answer({ live: z.int(), ...liveRuns }),
  transitions_per_second: z.number(),
  servers: z.array(bootServerSchema),
});
export type Status = z.infer<typeof statusSchema>;

export const annealSchema = answer({
  state: z.enum(['finished', 'working', 'error']),
  noderoles: stateCountsSchema,
  runs: answer(liveRuns),
  transitions_per_second: z.number(),
  /** When the next noderole that backs off may be tried again. */
  not_before_next: time.nullable(),
});
export type Anneal = z.infer<typeof annealSchema>;
