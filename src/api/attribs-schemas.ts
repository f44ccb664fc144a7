/** The public contract of attribs: values, their buckets and where they came from. Part of `schemas.ts`, by topic. */
import { z } from 'zod';
import { jsonSchema, refSchema } from './schemas.js';

const answer = z.object;
const request = z.strictObject;
const jsonObject = z.record(z.string(), z.unknown());

export const BUCKETS = [
  'attrib.default',
  'role.template',
  'deployment_role.wall',
  'deployment_role.committed',
  'deployment_role.proposed',
  'noderole.wall',
  'noderole.sysdata',
  'noderole.committed',
  'noderole.proposed',
  'node.discovery',
  'node.hint',
] as const;
export const bucketSchema = z.enum(BUCKETS);
/** Notes are free JSON by path: they need no attrib, no commit, and count for nothing. */
const notesBucket = z.literal('notes');

/** An attrib in a path: `port`, `database/port`, `cpu/count`; a slash is written %2F. */
export const attribNameSchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\u0000-\u001f]+$/, 'the name of an attrib');

const origin = {
  bucket: bucketSchema,
  /** Whose bucket, `<role>@<node>`; null: the container's own. */
  noderole: z.string().nullable(),
  /** Of the deployment, that committed the value. */
  revision: z.int().nullable(),
  /** That left the value. */
  run: z.int().nullable(),
  /** Author of the revision. */
  by: z.string().nullable(),
  /** When it was committed, or the run ended. */
  at: z.iso.datetime().nullable(),
};

/** `path`: within the attrib, empty for the whole of it; a merged object has a source for each of its parts. */
export const attribSourceSchema = answer({ path: z.string(), ...origin });
export type AttribSource = z.infer<typeof attribSourceSchema>;

/** A value as it counts. A secret is shown as `***`. */
export const attribSchema = answer({
  name: z.string(),
  scoped: z.string(),
  description: z.string(),
  declared: z.boolean(),
  secret: z.boolean(),
  /** Absent when nobody says anything. */
  value: z.unknown().optional(),
  /** From the next commit on. */
  proposed: z.unknown().optional(),
  sources: z.array(attribSourceSchema),
});
export type Attrib = z.infer<typeof attribSchema>;

const subject = answer({ kind: z.enum(['noderole', 'deployment_role', 'node']), id: z.int(), name: z.string() });

export const attribListSchema = answer({
  of: subject,
  attribs: z.array(attribSchema),
  /** What its role reads of others; `name` is the place in the inputs of its runs. */
  wanted: z.array(attribSchema),
  /** The data of each bucket that counts or is proposed, low to high. */
  buckets: z.record(z.string(), jsonObject),
  /** What people noted of it. */
  notes: jsonObject.optional(),
});
export type AttribList = z.infer<typeof attribListSchema>;

/** One bucket that says something of the attrib, the highest first; `counts`: whether anything of it is in the value. */
export const attribLayerSchema = answer({ ...origin, value: z.unknown(), counts: z.boolean() });
export type AttribLayer = z.infer<typeof attribLayerSchema>;

export const attribOneSchema = answer({
  of: subject,
  ...attribSchema.shape,
  /** JSON Schema of its value. */
  schema: jsonObject.nullable(),
  /** Only with `?explain=true`. */
  layers: z.array(attribLayerSchema).optional(),
  /** Noderoles whose role wants it of this one; only with `?explain=true`. */
  readers: z.array(z.string()).optional(),
});
export type AttribOne = z.infer<typeof attribOneSchema>;

const flag = z.union([z.boolean(), z.enum(['true', 'false'])]).transform((value) => value === true || value === 'true');

/** `bucket`: what that bucket says, instead of the value that counts; `user`: what a person proposed, else committed; `notes`: what people noted. */
export const attribQuerySchema = request({ explain: flag.optional(), bucket: z.union([bucketSchema, z.literal('user'), notesBucket]).optional() });
export type AttribQuery = z.input<typeof attribQuerySchema>;

export const attribPutQuerySchema = request({ bucket: z.union([z.literal('user'), notesBucket]).optional() });
export type AttribPutQuery = z.input<typeof attribPutQuerySchema>;
export const attribPutSchema = request({ value: jsonSchema });
export type AttribPut = z.input<typeof attribPutSchema>;

export const runInputsQuerySchema = request({ explain: flag.optional() });
export type RunInputsQuery = z.input<typeof runInputsQuerySchema>;

/** `key`: of the inputs. `node` is not told: it is who the node is. */
export const runInputsSchema = answer({
  run: z.int(),
  noderole: refSchema,
  /** SHA-256 of the inputs; null until the run has started. */
  hash: z.string().nullable(),
  inputs: jsonObject.nullable(),
  /** Only with `?explain=true`. */
  sources: z.array(answer({ key: z.string(), ...attribSourceSchema.shape })).optional(),
});
export type RunInputs = z.infer<typeof runInputsSchema>;
