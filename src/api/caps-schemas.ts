/** Shapes of `/caps`: how many runs may be under way at once. */
import { z } from 'zod';

export const capSchema = z.object({
  name: z.string().describe('total, a class of jobs, or deployment:<name>'),
  max: z.int(),
  used: z.int().describe('runs queued or running now'),
});
export type Cap = z.infer<typeof capSchema>;

export const capListSchema = z.object({ items: z.array(capSchema) });

export const capNameSchema = z
  .string()
  .max(220)
  .regex(/^(total|fast|ssh|power|image|deployment:[A-Za-z0-9.-]+)$/, 'total, fast, ssh, power, image, or deployment:<name>');

export const capPutSchema = z.strictObject({ max: z.int().min(0).max(1_000_000).nullable().describe('null takes the cap away; 0 holds everything back') });
