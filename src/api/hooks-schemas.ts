/** The wire shapes of hook deliveries: what roles are still to be told, and what was parked. Part of the contract. */
import { z } from 'zod';
import { keySchema, PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from './schemas.js';

const answer = z.object;
const request = z.strictObject;
const time = z.iso.datetime();

export const hookDeliveryStatusSchema = z.enum(['due', 'running', 'waiting', 'parked']);

/** One call that is pending: several events about one subject are one call. */
export const hookDeliverySchema = answer({
  id: z.int(),
  role: z.string(),
  hook: z.string(),
  subject_type: z.string(),
  subject_id: z.int(),
  /** Highest version of the subject among the events. */
  version: z.int(),
  /** What changed, over all of the events. */
  changed: z.array(z.string()),
  status: hookDeliveryStatusSchema,
  attempts: z.int(),
  not_before: time,
  parked_at: time.nullable(),
  last_error: z.string().nullable(),
  /** How many hooks in a row caused it. */
  cause_depth: z.int(),
  /** Of the newest event. */
  data: z.record(z.string(), z.unknown()),
  created_at: time,
});
export type HookDelivery = z.infer<typeof hookDeliverySchema>;

export const hookListQuerySchema = request({
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT),
  after: z.string().min(1).max(200).optional(),
  role: keySchema.optional(),
  parked: z
    .union([z.boolean(), z.enum(['true', 'false'])])
    .transform((value) => value === true || value === 'true')
    .optional(),
});
export type HookListQuery = z.input<typeof hookListQuerySchema>;

/** Which parked deliveries: one, those of a role, or all of them. */
export const hookReplaySchema = request({ delivery: z.int().positive().optional(), role: z.string().min(1).max(200).optional() });
export type HookReplay = z.input<typeof hookReplaySchema>;
export const hookReplayResultSchema = answer({ replayed: z.int() });
