/** PURE: what can be bound. */
import { z } from 'zod';
import { answer, jsonObject, jsonObjectSchema, keySchema, refSchema, paging, request, time } from './shapes.js';

export const roleSchema = answer({
  id: z.int(),
  name: z.string(),
  barclamp: z.string(),
  description: z.string(),
  jig: z.string(),
  flags: z.array(z.string()),
  requires: z.array(z.string()),
  provides: z.array(z.string()),
  conflicts: z.array(z.string()),
  /** Attribs the role declares: name, description, schema, default. */
  attribs: z.array(jsonObject),
  /** Attribs it reads: name and where. */
  wants: z.array(jsonObject),
  /** Default data, lowest precedence. */
  template: jsonObject,
  /** Configuration of its jig, e.g. the script. */
  jig_config: jsonObject,
  job_class: z.string(),
  timeout_seconds: z.int(),
  max_attempts: z.int(),
  backoff_seconds: z.int(),
  backoff_max_seconds: z.int(),
  /** Error codes that are not tried again. */
  no_retry_on: z.array(z.string()),
  runs_in: z.string(),
  validity: z.string(),
  on_parent_error: z.string(),
  /** Hook functions that its code provides. */
  hooks: z.array(z.string()),
  /** Roles that go first where both are on a node, or in a deployment; nothing is drawn in by it. */
  soft_after: z.array(z.string()),
  soft_after_deployment: z.array(z.string()),
  /** Whose barrier it is, when Prybar made it for a cluster role. */
  barrier_of: z.string().nullable(),
  /** How many members open the barrier; null: all. */
  quorum: z.int().nullable(),
  /** Its barclamp defines it no more: what is bound stays, nothing new is bound to it. */
  retired: z.boolean(),
  cohort: z.int(),
  updated_at: time,
});
export type Role = z.infer<typeof roleSchema>;

export const deploymentRoleSchema = answer({
  id: z.int(),
  deployment: refSchema,
  role: refSchema,
  proposed_data: jsonObject.nullable(),
  committed_data: jsonObject,
  wall: jsonObject,
});
export type DeploymentRole = z.infer<typeof deploymentRoleSchema>;

export const deploymentRoleListQuerySchema = request({ ...paging, deployment: keySchema.optional() });
export type DeploymentRoleListQuery = z.input<typeof deploymentRoleListQuerySchema>;

/** New proposed data: replaces what was proposed, takes effect at the next commit. */
export const dataPutSchema = request({ data: jsonObjectSchema });
export type DataPut = z.input<typeof dataPutSchema>;
