/** The shapes of plans, revisions, rollback and redeploy. Imports nothing but zod and other schemas, so that a browser can load it. */
import { z } from 'zod';
import { commitResultSchema, deploymentSchema, jsonSchema } from './schemas.js';

const answer = z.object;
const request = z.strictObject;

export const planReasonSchema = z.enum(['bound', 'again', 'data', 'wanted', 'members', 'installed', 'underway']);

const group = answer({ role: z.string(), reason: planReasonSchema, nodes: z.array(z.string()) });
const value = { path: z.string(), before: jsonSchema.optional(), after: jsonSchema.optional() };
/** One value that changes; `before` is absent where there was none, `after` where it goes; a secret is `***`. */
export const valueChangeSchema = answer(value);

export const planSchema = answer({
  deployment: answer({ id: z.int(), name: z.string() }),
  /** The number that the commit would get. */
  revision: z.int(),
  /** To be given back with the commit: another plan is then refused. */
  hash: z.string(),
  /** The plan in words, the most dangerous first. */
  words: z.array(answer({ tone: z.enum(['danger', 'warn', 'info']), text: z.string() })),
  /** Why the commit would be refused; empty when it would not. */
  refusals: z.array(answer({ code: z.string(), message: z.string(), parents: z.array(z.string()) })),
  waves: z.array(z.array(group)),
  runs: z.int(),
  nodes: z.array(z.string()),
  /** These machines reboot. */
  erases: z.array(
    answer({
      noderole: z.string(),
      node: z.string(),
      disk: answer({ name: z.string(), serial: z.string().optional(), size_bytes: z.number().optional() }).nullable(),
      os: z.string().nullable(),
      underway: z.boolean(),
      held: z.boolean(),
    }),
  ),
  data: z.array(answer({ role: z.string(), nodes: z.array(z.string()).nullable(), ...value })),
  held: z.array(answer({ why: z.string(), noderoles: z.array(z.string()) })),
  drift: z.array(z.string()),
  failed: z.array(z.string()),
  follow: z.array(group),
  affected: z.array(answer({ deployment: z.string(), noderoles: z.int(), nodes: z.int() })),
  /** The commit begins a rolling change. */
  rolling: z.boolean().optional(),
  asleep: z.array(z.string()),
  duration: answer({ seconds: z.number().nullable(), unknown_roles: z.array(z.string()) }),
});
export type Plan = z.infer<typeof planSchema>;

export const planRequestSchema = request({ with_parents: z.boolean().optional() }).optional();
export type PlanRequest = z.input<typeof planRequestSchema>;

export const commitRequestSchema = request({
  comment: z.string().max(2000).optional(),
  plan_hash: z.string().min(1).max(200).optional(),
  with_parents: z.boolean().optional(),
}).optional();
export type CommitRequest = NonNullable<z.input<typeof commitRequestSchema>>;

/** `stop`: what runs is cancelled as well. */
export const recallRequestSchema = request({ stop: z.boolean().optional() }).optional();

/** `force`: breaks off even a step that must not be. */
export const proposeRequestSchema = request({ force: z.boolean().optional() }).optional();
/** `proposed`: how many noderoles left their state. */
export const proposeResultSchema = answer({ proposed: z.int(), deployment: deploymentSchema });

/** `noderoles`: how many left PROPOSED; `data`: containers whose data changed; `unbound`: noderoles that were gone. */
const head = { revision: z.int(), author: z.string(), comment: z.string(), at: z.iso.datetime(), noderoles: z.int(), data: z.int(), unbound: z.int() };
export const revisionHeadSchema = answer(head);
export type RevisionHead = z.infer<typeof revisionHeadSchema>;

const change = answer({
  role: z.string(),
  /** Null: the data of the role in the deployment. */
  node: z.string().nullable(),
  change: z.enum(['bound', 'again', 'data', 'unbound']),
  values: z.array(valueChangeSchema),
});
export const revisionSchema = answer({ ...head, changes: z.array(change) });
export type Revision = z.infer<typeof revisionSchema>;
export const revisionDiffSchema = answer({ from: z.int(), to: z.int(), changes: z.array(change) });
export type RevisionDiff = z.infer<typeof revisionDiffSchema>;

export const revisionNumberSchema = z.coerce.number<number>().int().positive().max(2_147_483_647);
/** `against`: the other revision; without it the one before. */
export const revisionDiffQuerySchema = request({ against: revisionNumberSchema.optional() });

export const rollbackRequestSchema = request({ revision: z.int().positive().max(2_147_483_647), unbind: z.boolean().optional() });
export type RollbackRequest = z.input<typeof rollbackRequestSchema>;
const reasoned = z.array(answer({ name: z.string(), why: z.string() }));
export const rollbackSchema = answer({
  revision: z.int(),
  data: z.array(z.string()),
  bound: z.array(z.string()),
  unbound: z.array(z.string()),
  kept: reasoned,
  lost: reasoned,
  plan: planSchema,
});
export type Rollback = z.infer<typeof rollbackSchema>;

/** Redeploying erases disks: whoever asks says that he knows. */
export const redeployRequestSchema = request({
  erase: z.literal(true, { error: 'must be true: redeploying erases the disks' }),
  /** Breaks off a step that says of itself that it may not be. */
  force: z.boolean().optional(),
});
export const redeploySchema = answer({ noderoles: z.array(z.string()), nodes: z.array(z.string()) });
export type Redeploy = z.infer<typeof redeploySchema>;

export const deleteQuerySchema = request({ recursive: z.enum(['true', 'false']).optional() });

export { commitResultSchema, deploymentSchema };
