/** The shape of a batch: deployments, nodes, bindings and commits in one request. Imports nothing but zod and other schemas. */
import { z } from 'zod';
import { deploymentCreateSchema, jsonObjectSchema, keySchema, nodeCreateSchema } from './schemas.js';

const request = z.strictObject;
const name = keySchema.refine((value) => !/^\d+$/.test(value), 'must be a name: what a batch makes has no id yet');
/** As many as a body of a megabyte holds anyway. */
const MOST = 100_000;

export const batchSchema = request({
  deployments: z
    .array(
      request({
        name: deploymentCreateSchema.shape.name,
        parent: name.optional(),
        description: deploymentCreateSchema.shape.description,
        /** Data of roles in the deployment, by role. */
        data: z.record(z.string(), jsonObjectSchema).optional(),
      }),
    )
    .max(10_000)
    .default([]),
  nodes: z
    .array(request({ name: nodeCreateSchema.shape.name, macs: nodeCreateSchema.shape.macs, deployment: name.optional() }))
    .max(MOST)
    .default([]),
  bindings: z
    .array(
      request({
        deployment: name,
        roles: z.array(name).min(1).max(1000),
        /** Left out: services, on the deployment's phantom node. */
        nodes: z.array(name).min(1).max(MOST).optional(),
        data: jsonObjectSchema.optional(),
      }),
    )
    .max(MOST)
    .default([]),
  /** Commits every deployment named that has something to commit. */
  commit: z.boolean().default(false),
  comment: z.string().max(2000).optional(),
});
export type Batch = z.input<typeof batchSchema>;

/** What was made; what existed is not listed. */
export const batchResultSchema = z.object({
  deployments: z.array(z.string()),
  nodes: z.array(z.string()),
  noderoles: z.int(),
  committed: z.array(z.object({ deployment: z.string(), revision: z.int(), noderoles: z.int() })),
});
export type BatchResult = z.infer<typeof batchResultSchema>;
