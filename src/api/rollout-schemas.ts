/** Shapes of `/deployments/:id/rollout`: a policy, and how far the rolling change under it is. Imports nothing but zod and the shared shapes. */
import { z } from 'zod';
import { keySchema, refSchema } from './schemas.js';

const percent = z.string().regex(/^(100|[1-9]?[0-9])%$/, 'a whole number of nodes, or a percentage such as "20%"');
const count = z.number().int().min(1).max(1_000_000);
const amount = z.union([count, percent]);
const nodeNames = z
  .array(z.union([z.number().int().positive().transform(String), keySchema]))
  .min(1)
  .max(1000);

/** A percentage of zero would never begin anything. */
const notZero = (value: unknown): boolean => value !== '0%';

export const rolloutPutSchema = z.strictObject({
  canaries: z.union([amount, nodeNames]).nullable().default(null),
  in_flight: amount.refine(notZero, 'at least one node must be allowed'),
  per: z
    .string()
    .max(100)
    .regex(/^(role|deployment|(hint|discovery)(\.[A-Za-z0-9_-]+)+)$/, 'role, deployment, or a path in the node such as hint.rack')
    .default('role'),
  pause_above: z.number().min(0).max(100).default(10),
  min_sample: z.number().int().min(1).max(100_000).default(5),
});
export type RolloutPut = z.input<typeof rolloutPutSchema>;

const policySchema = z.object({
  canaries: z.union([z.number(), z.string(), z.array(refSchema)]).nullable(),
  in_flight: z.union([z.number(), z.string()]),
  per: z.string(),
  pause_above: z.number(),
  min_sample: z.int(),
});

export const rolloutSchema = z.object({
  deployment: refSchema,
  policy: policySchema.nullable(),
  /** The last rollout; null when no commit has begun one. */
  rollout: z
    .object({
      id: z.int(),
      revision: z.int(),
      status: z.enum(['running', 'paused', 'aborted', 'done', 'superseded', 'removed']),
      phase: z.enum(['canary', 'fleet']),
      reason: z.string().nullable(),
      started_at: z.iso.datetime(),
      changed_at: z.iso.datetime(),
      ended_at: z.iso.datetime().nullable(),
      progress: z.object({
        nodes: z.int(),
        done: z.int(),
        failed: z.int(),
        in_flight: z.int(),
        waiting: z.int(),
        canaries: z.int(),
        canaries_done: z.int(),
      }),
      groups: z.array(z.object({ key: z.string(), nodes: z.int(), in_flight: z.int(), max_in_flight: z.int() })),
      /** At most 100 each, lowest id first. */
      nodes_in_flight: z.array(refSchema),
      nodes_failed: z.array(refSchema),
    })
    .nullable(),
});
export type RolloutAnswer = z.infer<typeof rolloutSchema>;
