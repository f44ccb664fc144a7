/** Shapes of what deletes: nodes step by step, noderoles with what is below them. Imports nothing but zod. */
import { z } from 'zod';

const flag = z.union([z.boolean(), z.enum(['true', 'false'])]).transform((value) => value === true || value === 'true');

/** `cascade`: also what depends on it. */
export const cascadeQuerySchema = z.strictObject({ cascade: flag.default(false) });
export type CascadeQuery = z.input<typeof cascadeQuerySchema>;

/** `force`: subsystems that are not waited for, comma separated. */
export const nodeDeleteQuerySchema = z.strictObject({
  cascade: flag.default(false),
  force: z
    .string()
    .max(200)
    .transform((text) => text.split(',').filter((part) => part !== ''))
    .optional(),
});
export type NodeDeleteQuery = z.input<typeof nodeDeleteQuerySchema>;

/** How far a deletion is: who has confirmed, and in words what the others lack. */
export const deletionSchema = z.object({
  finalizers: z.array(
    z.object({ subsystem: z.string(), confirmed_at: z.iso.datetime().nullable(), forced_by: z.string().nullable(), revision: z.number().nullable() }),
  ),
  waits_for: z.array(z.string()),
});
export type Deletion = z.infer<typeof deletionSchema>;
