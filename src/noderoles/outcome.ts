/** What one call of a jig comes to, as it is settled. Plain data: jigs return it, `settle` writes it. */
import { z } from 'zod';
import { BootClass } from '../generated/prisma/enums.js';
import { jobClasses, type JobClass } from '../queue/jobs.js';
import type { JsonObject } from '../shared/json.js';

/** `wait` frees the worker; the jig is called again when the fact is true or the deadline has come. */
export type StepOutcome =
  | { kind: 'done'; wall?: JsonObject; result?: JsonObject }
  | {
      kind: 'wait';
      /** Which fact: `served:<node>`, `install:<id>`, `boot:<node>`, `work:<run>`, or `timer:<run>` (true at its deadline). */
      key: string;
      /** The fact's generation from which on it is true. */
      minGeneration: number;
      deadlineSeconds: number;
      /** Whether the machine stays taken meanwhile (an install, a reboot) or not (a timer, an external service). */
      keeps: 'node' | 'nothing';
      /** Whether the step goes on when the machine goes away. */
      survivesReboot?: boolean;
      /** Class of the worker that its next turn needs (src/queue/jobs.ts); as before when left out. */
      jobClass?: JobClass;
      /** What goes on meanwhile and cannot be broken off, in words: a cancel takes effect when the wait is over. */
      unabortable?: string;
      /**
       * The boot that this wait expects. That boot wakes it as a fact does; another one wakes it with `unexpected-boot`, and
       * fails the run for good unless `otherwise` is `wake` (engine-rules 16).
       */
      expectedBoot?: { class: BootClass; otherwise?: 'fail' | 'wake' };
      /** Handed back to the next call. */
      memo: JsonObject;
    }
  /** A timer: keeps nothing, and is called again with `wake: 'deadline'`. */
  | { kind: 'timer'; seconds: number; memo: JsonObject }
  | { kind: 'fail'; code: string; message: string; retryable: boolean; exitStatus?: number };

const object = z.record(z.string(), z.json());
const stepOutcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('done'), wall: object.optional(), result: object.optional() }),
  z.object({
    kind: z.literal('wait'),
    key: z.string().min(1).max(500),
    minGeneration: z.number().int().min(0).max(2_147_483_647),
    deadlineSeconds: z
      .number()
      .min(0)
      .max(366 * 86_400),
    keeps: z.enum(['node', 'nothing']),
    survivesReboot: z.boolean().optional(),
    jobClass: z.enum(jobClasses).optional(),
    unabortable: z.string().min(1).max(500).optional(),
    expectedBoot: z.object({ class: z.enum(BootClass), otherwise: z.enum(['fail', 'wake']).optional() }).optional(),
    memo: object,
  }),
  z.object({
    kind: z.literal('timer'),
    seconds: z
      .number()
      .min(0)
      .max(366 * 86_400),
    memo: object,
  }),
  z.object({
    kind: z.literal('fail'),
    code: z.string(),
    message: z.string(),
    retryable: z.boolean(),
    exitStatus: z.number().int().min(-2_147_483_648).max(2_147_483_647).optional(),
  }),
]);

/** Largest JSON that a step may leave (wall, result, memo), bytes (engine-rules 12). */
export const OUTCOME_LIMIT_BYTES = 1_048_576;

/** NUL, and half a surrogate pair: JSON has them, jsonb refuses them. An even number of backslashes before is text. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/i;

/** Why the database could not keep this JSON text, in words; null when it can. */
export function whyUnstorable(json: string): string | null {
  if (UNSTORABLE.test(json)) return 'it holds a NUL character or half of a surrogate pair, which the database cannot keep';
  const bytes = Buffer.byteLength(json);
  return bytes > OUTCOME_LIMIT_BYTES ? `it is ${bytes} bytes of data; at most ${OUTCOME_LIMIT_BYTES} are kept` : null;
}

const bad = (why: string): StepOutcome => ({
  kind: 'fail',
  code: 'bad-outcome',
  message: `the step left an outcome that cannot be kept: ${why}`,
  retryable: false,
});

/**
 * The door for what a jig returned, before it enters a batch with others (engine-rules 12). What is no outcome, or
 * cannot be stored, becomes a final failure that says why. Never throws.
 */
export function safeOutcome(returned: unknown): StepOutcome {
  try {
    return checked(returned);
  } catch (error) {
    // Looking at what is nested very deep overflows the stack; it would in the database as well.
    if (error instanceof RangeError) return bad('it is nested too deep');
    return bad(error instanceof Error ? error.message : String(error));
  }
}

/** What most steps return; there is nothing in it to look at. */
function isBareDone(returned: unknown): boolean {
  return typeof returned === 'object' && returned !== null && 'kind' in returned && returned.kind === 'done' && Object.keys(returned).length === 1;
}

function checked(returned: unknown): StepOutcome {
  if (isBareDone(returned)) return { kind: 'done' };
  const parsed = stepOutcome.safeParse(returned);
  if (!parsed.success) return bad(`${parsed.error.issues[0]?.path.join('.') || 'outcome'}: ${parsed.error.issues[0]?.message}`);
  const why = whyUnstorable(JSON.stringify(parsed.data));
  if (why === null) return parsed.data as StepOutcome;
  // A failure stays the failure it was, without what cannot be kept.
  if (parsed.data.kind === 'fail')
    return { ...(parsed.data as StepOutcome & { kind: 'fail' }), code: storable(parsed.data.code), message: storable(parsed.data.message) };
  return bad(why);
}

const MESSAGE_LIMIT = 4000;

function storable(text: string): string {
  // Through UTF-8, which turns half a surrogate pair into the replacement character.
  return Buffer.from(text.slice(0, MESSAGE_LIMIT)).toString().replaceAll('\u0000', '\uFFFD');
}
