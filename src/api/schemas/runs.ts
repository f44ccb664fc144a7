/** PURE: attempts at noderoles, and their logs. */
import { z } from 'zod';
import { waitSchema } from './noderoles.js';
import { PAGE_LIMIT_MAX, answer, failure, idSchema, keySchema, refSchema, paging, request, time } from './shapes.js';
import { runOutcomeSchema, runStatusSchema } from './words.js';

export const runSchema = answer({
  id: z.int(),
  noderole_id: z.int(),
  node: refSchema,
  role: refSchema,
  attempt: z.int(),
  retry_of: z.int().nullable(),
  status: runStatusSchema,
  outcome: runOutcomeSchema.nullable(),
  jig: z.string(),
  job_class: z.string(),
  error: failure.nullable(),
  exit_status: z.int().nullable(),
  /** Frozen inputs: only when one run is read. */
  inputs: z.unknown().optional(),
  wait: waitSchema.nullable(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
});
export type Run = z.infer<typeof runSchema>;

export const runListQuerySchema = request({
  ...paging,
  noderole: idSchema.optional(),
  node: keySchema.optional(),
  role: keySchema.optional(),
  status: runStatusSchema.optional(),
  outcome: runOutcomeSchema.optional(),
});
export type RunListQuery = z.input<typeof runListQuerySchema>;

export const logQuerySchema = request({
  /** Last sequence number already read. */
  after: z.coerce.number<number>().int().min(-1).default(-1),
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_MAX),
});
export type LogQuery = z.input<typeof logQuerySchema>;

/** Log chunks after the one asked for; `ended` is true when the run has ended and these are the last. */
export const runLogSchema = answer({ items: z.array(answer({ seq: z.int(), at: time, text: z.string() })), ended: z.boolean() });
export type RunLog = z.infer<typeof runLogSchema>;
