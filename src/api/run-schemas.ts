/** One run in full: what it was given, what it said, what it left, and how it came to that. */
import { z } from 'zod';
import { runSchema } from './schemas.js';

const time = z.string();
const json = z.unknown();

export const runDetailSchema = runSchema.extend({
  /** What it left: the jig's result, and the noderole's wall where this run wrote it. */
  result: json,
  wall: json,
  /** Its waits and what ended them, the oldest first; a hundred are kept. */
  turns: z.array(z.object({ at: time, to: z.enum(['wait', 'run']), key: z.string().optional(), keeps: z.string().optional(), reason: z.string().nullish() })),
  /** The end of its log. */
  log_tail: z.string(),
  /** Attempts at the same thing, the first one first, this one among them. */
  attempts: z.array(z.object({ id: z.int(), attempt: z.int(), status: z.string(), outcome: z.string().nullable(), ended_at: time.nullable() })),
  /** What came after its end, and changed nothing. */
  late_results: z.array(z.object({ at: time, fence: z.int(), body: json })),
  /** What it is in the middle of and may not be broken off. */
  unabortable: z.string().nullable(),
  /** A cancel that takes effect when that is over. */
  cancel_asked: z.object({ at: time, by: z.string() }).nullable(),
  stop: z
    .object({
      since: time,
      reason: z.string(),
      /** What its jig undoes: null when nothing, else ask, running, done or failed. */
      step: z.string().nullable(),
      tries: z.int(),
      note: z.string().nullable(),
      /** Why its machine is free; null while nothing proves it. */
      proof: z.string().nullable(),
      stuck_since: time.nullable(),
    })
    .nullable(),
});
export type RunDetail = z.infer<typeof runDetailSchema>;

export const forceEndSchema = z.strictObject({ reason: z.string().min(3, 'say why nothing of it runs on the machine any more').max(1000) });
export type ForceEnd = z.input<typeof forceEndSchema>;
