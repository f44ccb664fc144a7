/** Query of the list of roles. Imports nothing but zod and the shared shapes. */
import { z } from 'zod';
import { pageQuerySchema } from './schemas.js';

const flag = z.union([z.boolean(), z.enum(['true', 'false'])]).transform((value) => value === true || value === 'true');

/** `milestone`: only roles that are milestones, or only those that are none. */
export const roleListQuerySchema = pageQuerySchema.extend({ milestone: flag.optional() });
export type RoleListQuery = z.input<typeof roleListQuerySchema>;
