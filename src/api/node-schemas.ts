/**
 * What machines send and get: the shapes behind `/node/`, the facts apart (nodes/machine-facts.ts). Machines are not trusted (attack 20): every list and text has
 * a limit, every number is one JavaScript keeps exactly, an unknown field is refused.
 */
import { z } from 'zod';
import { bootClassSchema, idSchema, jsonObjectSchema, runIdSchema } from './schemas.js';

const text = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'may not contain control characters');
const bootId = text(64).min(1);

/** What an agent is told when it begins: who it is, its token, how often to speak. */
export const agentStartSchema = z.object({
  node: z.object({ id: z.int(), name: z.string() }),
  agent_token: z.string(),
  heartbeat_seconds: z.int(),
  wait_seconds: z.int(),
});

export const nodePathSchema = z.object({ id: idSchema });
export const nodeRunPathSchema = z.object({ id: idSchema, run_id: runIdSchema });
export const nodeTokenPathSchema = z.object({ id: idSchema, token: z.string().min(1).max(200) });

export const heartbeatSchema = z.strictObject({ boot_id: bootId });
export const workPollSchema = z.strictObject({ boot_id: bootId, wait_seconds: z.number().min(0).max(25).default(0) });
/** Work for the agent. Nothing to do is 204. */
export const workOfferSchema = z.union([
  z.object({
    kind: z.literal('script'),
    run_id: z.int(),
    fence: z.int(),
    script: z.string(),
    env: z.record(z.string(), z.string()),
    timeout_seconds: z.number(),
    lease_seconds: z.number(),
    /** What of the log is kept, bytes. */
    log_limit_bytes: z.int().optional(),
  }),
  z.object({ kind: z.literal('reboot') }),
]);

const fence = z.number().int().min(0);
/** One chunk of a run's log, numbered from 1 by the agent; a number sent again is the same chunk. */
export const logChunkSchema = z.strictObject({ fence, seq: z.number().int().min(0).max(1_000_000), text: z.string().max(65_536) });
/** With `wait_seconds` the answer waits that long for news: a 409 that says stop comes at once. */
export const renewSchema = z.strictObject({ fence, wait_seconds: z.number().min(0).max(25).default(0) });
export const renewAnswerSchema = z.object({ lease_seconds: z.number() });
export const resultSchema = z.strictObject({ fence, exit_status: z.number().int().min(-255).max(255), wall: jsonObjectSchema.optional() });
/** `late`: the work had been taken back; the report changed nothing. */
export const resultAnswerSchema = z.object({ accepted: z.enum(['taken', 'repeated', 'late']) });

/** `progress`: per cent of the image that is written, in a call that is repeated meanwhile. */
export const installingSchema = z
  .strictObject({ disk: text(256).optional(), boot_id: bootId.optional(), progress: z.number().int().min(0).max(100).optional() })
  .optional();

/** The installer's last word. `token` stands in a form, where a header is not to be had. */
export const bootenvLocalSchema = z
  .strictObject({
    disk: text(256).optional(),
    /** EFI path of the loader it installed. */
    loader_path: text(256).optional(),
    esp_uuid: text(64).optional(),
    token: z.string().max(200).optional(),
  })
  .optional();

export const bootDefaultAnswerSchema = z.object({ install_id: z.int(), proven: z.literal(false) });

export const bootenvLocalAnswerSchema = z.object({
  install_id: z.int(),
  node: z.object({ id: z.int(), name: z.string() }),
  disk_token: z.string(),
  agent: z.object({ url: z.string(), heartbeat_seconds: z.int() }),
});

/** The first word of an installed system's agent. */
export const diskBootSchema = z.strictObject({
  boot_id: bootId,
  class: bootClassSchema.extract(['installed']),
  install_id: z.number().int().positive(),
  os: text(256).optional(),
  kernel: text(256).optional(),
});
