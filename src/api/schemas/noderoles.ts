/** PURE: roles bound to nodes. */
import { z } from 'zod';
import { answer, failure, jsonObject, jsonObjectSchema, keySchema, refSchema, reference, paging, request, time } from './shapes.js';
import { nodeRoleStateSchema, runStatusSchema } from './words.js';

const neighbour = answer({ id: z.int(), name: z.string(), state: nodeRoleStateSchema });

/** What a waiting run waits for, until when, and whether it keeps the node meanwhile. */
export const waitSchema = answer({ key: z.string(), deadline: time, keeps: z.string() });

export const nodeRoleSchema = answer({
  id: z.int(),
  /** `<role>@<node>` */
  name: z.string(),
  deployment: refSchema,
  role: refSchema,
  node: refSchema,
  state: nodeRoleStateSchema,
  state_code: z.int(),
  cohort: z.int(),
  /** Raised by every change of state; events carry it. */
  version: z.int(),
  pending_parents: z.int(),
  failures: z.int(),
  not_before: time.nullable(),
  error: failure.nullable(),
  /** The noderole in ERROR that blocks it. */
  blocked_by: z.int().nullable(),
  run: answer({ id: z.int(), status: runStatusSchema, wait: waitSchema.nullable() }).nullable(),
  proposed_data: jsonObject.nullable(),
  committed_data: jsonObject,
  sysdata: jsonObject,
  wall: jsonObject,
  parents: z.array(neighbour),
  children: z.array(neighbour),
  changed_at: time,
});
export type NodeRole = z.infer<typeof nodeRoleSchema>;

export const nodeRoleListQuerySchema = request({
  ...paging,
  deployment: keySchema.optional(),
  node: keySchema.optional(),
  role: keySchema.optional(),
  state: nodeRoleStateSchema.optional(),
});
export type NodeRoleListQuery = z.input<typeof nodeRoleListQuerySchema>;

/** Without a node a role flagged `service` goes to the phantom node of the deployment, which must then be named. */
export const bindSchema = request({ role: reference, node: reference.optional(), deployment: reference.optional(), data: jsonObjectSchema.optional() }).refine(
  (body) => body.node !== undefined || body.deployment !== undefined,
  { path: ['node'], message: 'name a node, or for a service the deployment' },
);
export type Bind = z.input<typeof bindSchema>;

/** The noderole that was asked for, and the ids of every one that came into being with it. */
export const bindResultSchema = answer({ noderole: nodeRoleSchema, created: z.array(z.int()) });
export type BindResult = z.infer<typeof bindResultSchema>;

export const whySchema = answer({
  noderole: answer({ id: z.int(), name: z.string(), state: nodeRoleStateSchema }),
  answer: z.string(),
  chain: z.array(answer({ kind: z.string(), text: z.string(), noderole_id: z.int().optional(), node_id: z.int().optional(), run_id: z.int().optional() })),
  /** What to do, or what to wait for. */
  unblock: z.string(),
});
export type Why = z.infer<typeof whySchema>;
