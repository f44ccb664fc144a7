/** PURE: deployments, and the matrix of their noderoles. */
import { z } from 'zod';
import { answer, name, refSchema, reference, request, time } from './shapes.js';
import { deploymentStateSchema, nodeRoleStateSchema, runStatusSchema, stateCountsSchema } from './words.js';

export const deploymentSchema = answer({
  id: z.int(),
  name: z.string(),
  description: z.string(),
  parent: refSchema.nullable(),
  system: z.boolean(),
  state: deploymentStateSchema,
  committed_at: time.nullable(),
  paused: z.boolean(),
  power_on: z.enum(['auto', 'never']).optional(),
  /** Raised by every commit; 0 means never committed. */
  revision: z.int(),
  counts: stateCountsSchema,
  nodes: z.int(),
});
export type Deployment = z.infer<typeof deploymentSchema>;

export const deploymentCreateSchema = request({ name, parent: reference.optional(), description: z.string().max(2000).optional() });
export type DeploymentCreate = z.input<typeof deploymentCreateSchema>;

/** `paused` stops new claims in the deployment; what runs goes on. */
export const deploymentPatchSchema = request({
  description: z.string().max(2000).optional(),
  paused: z.boolean().optional(),
  /** Whether work that is committed switches on a node that is not alive. */
  power_on: z.enum(['auto', 'never']).optional(),
});
export type DeploymentPatch = z.input<typeof deploymentPatchSchema>;

/** `revision` after the commit and how many noderoles left PROPOSED. */
/** `committed`: how many left PROPOSED; `changed`: how many were given other data. */
export const commitResultSchema = answer({ revision: z.int(), committed: z.int(), changed: z.int().optional(), deployment: deploymentSchema });
export type CommitResult = z.infer<typeof commitResultSchema>;

export const matrixSchema = answer({
  deployment: deploymentSchema,
  roles: z.array(answer({ id: z.int(), name: z.string(), cohort: z.int() })),
  nodes: z.array(answer({ id: z.int(), name: z.string(), alive: z.boolean(), phase: z.string(), phase_at: time.nullable(), bootenv: z.string() })),
  cells: z.array(
    answer({
      id: z.int(),
      node_id: z.int(),
      role_id: z.int(),
      state: nodeRoleStateSchema,
      version: z.int(),
      run: answer({ id: z.int(), status: runStatusSchema, wait_key: z.string().nullable() }).nullable(),
    }),
  ),
  /** Position of the picture in the event stream: pass it as `after` to `/events` and nothing is missed. */
  pos: z.string(),
});
export type Matrix = z.infer<typeof matrixSchema>;
