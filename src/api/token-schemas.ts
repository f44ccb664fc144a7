/** The wire shapes of API tokens. Part of the contract. */
import { z } from 'zod';
import { pageQuerySchema, scopeSchema } from './schemas.js';

export const tokenSchema = z.object({
  id: z.int(),
  name: z.string(),
  scope: z.string(),
  created_at: z.iso.datetime(),
  /** To the minute. */
  last_used_at: z.iso.datetime().nullable(),
  revoked_at: z.iso.datetime().nullable(),
});
export type ApiToken = z.infer<typeof tokenSchema>;

/** `token` is shown in this one answer and never again. */
export const tokenWithTextSchema = z.object({ ...tokenSchema.shape, token: z.string() });
export type ApiTokenWithText = z.infer<typeof tokenWithTextSchema>;

export const tokenCreateSchema = z.strictObject({
  name: z
    .string()
    .max(100)
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'small letters, digits, dots and dashes, beginning and ending with a letter or digit'),
  scope: scopeSchema,
});
export type TokenCreate = z.input<typeof tokenCreateSchema>;

export const tokenListQuerySchema = pageQuerySchema;
