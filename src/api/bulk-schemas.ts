/** Shapes of `/node_roles/retry` and `/node_roles/rerun`: a filter, and how many moved. Imports nothing but zod and the shared shapes. */
import { z } from 'zod';
import { keySchema, nodeRoleStateSchema } from './schemas.js';

const reference = z.union([z.number().int().positive().transform(String), keySchema]);

/** What is left out does not filter; at least one must be given. */
export const bulkSchema = z.strictObject({
  deployment: reference.optional(),
  role: reference.optional(),
  node: reference.optional(),
  state: z.union([nodeRoleStateSchema.transform((state) => [state]), z.array(nodeRoleStateSchema).min(1).max(6)]).optional(),
  ids: z.array(z.int().positive()).min(1).max(50_000).optional(),
  /** Count only. */
  dry_run: z.boolean().default(false),
});
export type Bulk = z.input<typeof bulkSchema>;

export const bulkResultSchema = z.object({
  dry_run: z.boolean(),
  matched: z.int(),
  /** Left ERROR or ACTIVE. */
  moved: z.int(),
  /** Stay in their state and run (once more), without waiting for a backoff. */
  marked: z.int(),
  others: z.array(z.object({ reason: z.string(), count: z.int(), ids: z.array(z.int()) })),
});
export type BulkResult = z.infer<typeof bulkResultSchema>;
