/** The wire shapes of webhooks and of their deliveries. Part of the contract: imports nothing but zod and the other shapes. */
import { z } from 'zod';
import { keySchema, nodeRoleStateSchema, PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, refSchema } from './schemas.js';

const answer = z.object;
const request = z.strictObject;
const time = z.iso.datetime();

const name = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'small letters, digits, dots and dashes, beginning and ending with a letter or digit')
  .refine((value) => !/^\d+$/.test(value), 'may not be a number alone, because webhooks are addressed by id or name');
const url = z.string().min(1).max(2000);
const kind = z
  .string()
  .max(100)
  .regex(/^[a-z][a-z-]*$/, 'a kind of event, for example noderole-changed');

export const webhookSchema = answer({
  id: z.int(),
  name: z.string(),
  url: z.string(),
  /** Kinds of events it is sent; empty: every kind. */
  kinds: z.array(z.string()),
  /** States a noderole must have entered; empty: no such filter. */
  states: z.array(z.string()),
  deployment: refSchema.nullable(),
  node: refSchema.nullable(),
  role: refSchema.nullable(),
  active: z.boolean(),
  /** Why Prybar paused it; null when it runs or an operator paused it. */
  paused_reason: z.string().nullable(),
  /** Since when deliveries die; null when the last one that ended was taken. */
  failing_since: time.nullable(),
  deliveries: answer({ pending: z.int(), dead: z.int() }),
  created_at: time,
});
export type Webhook = z.infer<typeof webhookSchema>;

/** `secret` is shown in this one answer and never again. */
export const webhookWithSecretSchema = answer({ ...webhookSchema.shape, secret: z.string().optional() });
export type WebhookWithSecret = z.infer<typeof webhookWithSecretSchema>;

const filters = {
  kinds: z.array(kind).max(50).optional(),
  states: z.array(nodeRoleStateSchema).max(6).optional(),
  deployment: keySchema.nullable().optional(),
  node: keySchema.nullable().optional(),
  role: keySchema.nullable().optional(),
  active: z.boolean().optional(),
};
/** At least 128 bits, should somebody bring their own. */
const secret = z.string().min(16).max(200);

export const webhookCreateSchema = request({ name, url, secret: secret.optional(), ...filters });
export type WebhookCreate = z.input<typeof webhookCreateSchema>;

/** `rotate_secret` makes a new secret and answers it; the old one signs nothing any more. */
export const webhookPatchSchema = request({
  name: name.optional(),
  url: url.optional(),
  secret: secret.optional(),
  rotate_secret: z.literal(true).optional(),
  ...filters,
});
export type WebhookPatch = z.input<typeof webhookPatchSchema>;

export const deliveryStatusSchema = z.enum(['pending', 'delivered', 'dead']);

/** One attempt: `status` is the endpoint's, null when none came; `response` the first bytes of what it said. */
const attempt = answer({ at: z.string(), ms: z.number(), status: z.int().nullable(), error: z.string().nullable(), response: z.string() });

export const webhookDeliverySchema = answer({
  id: z.int(),
  /** The `Prybar-Delivery` header: the same for every attempt. */
  uid: z.string(),
  kind: z.string(),
  subject_type: z.string(),
  subject_id: z.int(),
  version: z.int(),
  status: deliveryStatusSchema,
  attempts: z.int(),
  /** When it is tried next, while it is pending. */
  next_at: time.nullable(),
  log: z.array(attempt),
  created_at: time,
  ended_at: time.nullable(),
  /** What is sent, when one delivery is read. */
  body: z.unknown().optional(),
});
export type WebhookDelivery = z.infer<typeof webhookDeliverySchema>;

export const webhookDeliveryListQuerySchema = request({
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT),
  after: z.string().min(1).max(200).optional(),
  status: deliveryStatusSchema.optional(),
});
export type WebhookDeliveryListQuery = z.input<typeof webhookDeliveryListQuerySchema>;

/** Without `delivery`: every dead one. */
export const webhookReplaySchema = request({ delivery: z.int().positive().optional() });
export type WebhookReplay = z.input<typeof webhookReplaySchema>;

export const replayResultSchema = answer({ replayed: z.int() });
export type ReplayResult = z.infer<typeof replayResultSchema>;
