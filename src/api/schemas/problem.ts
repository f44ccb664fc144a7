/** PURE: the body of every answer that is not a success (RFC 9457). */
import { z } from 'zod';
import { answer } from './shapes.js';

/** Body of every answer that is not a success, as application/problem+json. Branch on `code`. */
export const problemSchema = answer({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(answer({ field: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof problemSchema>;
