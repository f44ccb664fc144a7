/** Shapes of moving a node and of its target role. Imports nothing but zod and the shared shapes. */
import { z } from 'zod';
import { keySchema, refSchema } from './schemas.js';

const reference = z.union([z.number().int().positive().transform(String), keySchema]);

export const movePutSchema = z.strictObject({ deployment: reference });
export type MovePut = z.input<typeof movePutSchema>;

/** `noderoles`: ids of those that came along. */
export const moveResultSchema = z.object({ node: refSchema, from: refSchema, to: refSchema, noderoles: z.array(z.int()) });
export type MoveResult = z.infer<typeof moveResultSchema>;

export const targetPutSchema = z.strictObject({ role: reference.nullable() });
export type TargetPut = z.input<typeof targetPutSchema>;

export const targetSchema = z.object({ node: refSchema, role: refSchema.nullable() });
export type Target = z.infer<typeof targetSchema>;
