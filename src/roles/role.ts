/** A role as a barclamp folder defines it (`barclamp.yml`): the door for what operators and we write. */
import { z } from 'zod';

export const roleFlags = ['implicit', 'discovery', 'bootstrap', 'cluster', 'service', 'destructive', 'abstract', 'milestone', 'powersave'] as const;

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'small letters, digits and dashes, at most 63');

export const attribDefinition = z.strictObject({
  name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]*$/, 'a letter, then letters, digits, _ or -'),
  description: z.string().default(''),
  /** JSON Schema of its value. */
  schema: z.record(z.string(), z.json()).optional(),
  default: z.json().optional(),
});

export const roleDefinition = z.strictObject({
  name,
  description: z.string().default(''),
  jig: name,
  flags: z.array(z.enum(roleFlags)).default([]),
  requires: z.array(name).default([]),
  provides: z.array(name).default([]),
  conflicts: z.array(name).default([]),
  attribs: z.array(attribDefinition).default([]),
  wants_attribs: z.array(z.string()).default([]),
  template: z.record(z.string(), z.json()).default({}),
  jig_config: z.record(z.string(), z.json()).default({}),
  job_class: z.enum(['fast', 'ssh', 'power', 'image']).default('fast'),
  timeout_seconds: z.number().int().positive().max(86_400).default(3600),
  max_attempts: z.number().int().min(1).max(100).default(3),
  backoff_seconds: z.number().int().min(0).max(3600).default(5),
  runs_in: z.enum(['any', 'discovery', 'installed']).default('any'),
  validity: z.enum(['always', 'install', 'boot']).default('always'),
  on_parent_error: z.enum(['block', 'stay']).default('block'),
});
export type RoleDefinition = z.infer<typeof roleDefinition>;

export const barclampDefinition = z.strictObject({
  barclamp: z.strictObject({ name, description: z.string().default(''), version: z.string().default('1') }),
  roles: z.array(roleDefinition).min(1),
});
export type BarclampDefinition = z.infer<typeof barclampDefinition>;
