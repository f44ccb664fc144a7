/**
 * A role as a barclamp defines it (`barclamp.yml`): the door for what operators and we write. docs/barclamps.md tells each
 * key in words; what concerns several roles (cycles, what dangles) is decided in `resolve.ts`.
 */
import { z } from 'zod';
import { NODE_SCOPE } from '../attribs/names.js';
import { hasSecrets } from '../attribs/secrets.js';
import { problemOfSchema, problemsOfData, problemsOfValue, RESERVED_KEYS } from '../attribs/schema.js';
import { keyedObject } from './keys.js';

export const roleFlags = [
  'implicit',
  'discovery',
  'bootstrap',
  'cluster',
  'service',
  'destructive',
  'abstract',
  'milestone',
  'powersave',
  'confirms-served',
  'waits-for-served',
] as const;

/** Roles that Prybar makes itself, one for each cluster role, are named so. */
export const COMPANION_PREFIX = 'barrier-';
const NAME_MAX = 63;

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, `small letters, digits and dashes, at most ${NAME_MAX}`)
  .refine((value) => !/^\d+$/.test(value), 'may not be a number alone, because roles are addressed by id or name');
const names = z.array(name).transform((list) => [...new Set(list)]);

const attribName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_-]*$/, 'a letter, then letters, digits, _ or -')
  .refine((value) => !RESERVED_KEYS.includes(value), `is a name that Prybar fills itself in the inputs of a run; choose another`);
/** `port`, `database/port` when several roles declare a `port`, `node/<path>` for what is the node's. */
const wantedName = z
  .string()
  .max(200)
  .regex(/^(node(\/[A-Za-z0-9_.-]+)+|([a-z0-9][a-z0-9-]{0,62}\/)?[A-Za-z_][A-Za-z0-9_-]*)$/, 'an attrib, role/attrib, or node/path');

const attribFields = keyedObject({
  name: attribName,
  description: z.string().default(''),
  /** JSON Schema of its value. */
  schema: z.record(z.string(), z.json()).optional(),
  default: z.json().optional(),
}).superRefine((attrib, ctx) => {
  if (attrib.schema === undefined) return;
  const problem = problemOfSchema(attrib.schema);
  if (problem !== null) return ctx.addIssue({ code: 'custom', path: ['schema'], message: `is not a JSON Schema: ${problem}` });
  const problems = attrib.default === undefined ? [] : problemsOfValue(attrib.schema, attrib.default, 'default');
  if (problems.length > 0)
    ctx.addIssue({
      code: 'custom',
      path: ['default'],
      message: `is off its own schema: ${problems.map(({ field, message }) => `${field.replace(/^default\.?/, '')}${field === 'default' ? '' : ': '}${message}`).join('; ')}`,
    });
});

/** An attrib that the role reads; `at`: the path in its inputs where the value is put, the attrib's name when unset. */
const wanted = z.union([wantedName.transform((attrib) => ({ name: attrib })), keyedObject({ name: wantedName, at: z.string().min(1).max(200).optional() })]);

/** Soft order: this role first, where both are on a node (or in a deployment). It draws nothing in. */
const successor = z.union([
  name.transform((role) => ({ role, scope: 'node' as const })),
  keyedObject({ role: name, scope: z.enum(['node', 'deployment']).default('node') }),
]);

const barrier = z.union([z.literal('all'), keyedObject({ quorum: z.number().int().min(1).max(100_000) })]);

const seconds = z.number().int();

/** The keys of a role, each by itself. */
export const roleFields = keyedObject({
  name,
  description: z.string().default(''),
  jig: name,
  flags: z.array(z.enum(roleFlags)).default([]),
  requires: names.default([]),
  attaches: names.default([]),
  provides: names.default([]),
  conflicts: names.default([]),
  precedes: z.array(successor).default([]),
  wants_attribs: z.array(wanted).default([]),
  attribs: z.array(attribFields).default([]),
  template: z.record(z.string(), z.json()).default({}),
  jig_config: z.record(z.string(), z.json()).default({}),
  job_class: z.enum(['fast', 'ssh', 'power', 'image']).default('fast'),
  barrier: barrier.default('all'),
  hooks: z.array(z.string().min(1).max(63)).default([]),
  timeout_seconds: seconds.positive().max(86_400).default(3600),
  max_attempts: z.number().int().min(1).max(100).default(3),
  backoff_seconds: seconds.min(0).max(3600).default(5),
  backoff_max_seconds: seconds.min(0).max(86_400).optional(),
  no_retry_on: z.array(z.string().min(1).max(200)).default([]),
  runs_in: z.enum(['any', 'discovery', 'installed']).default('any'),
  validity: z.enum(['always', 'install', 'boot']).default('install'),
  on_parent_error: z.enum(['block', 'stay']).default('block'),
});

export const roleDefinition = roleFields.superRefine((role, ctx) => {
  const refuse = (key: string, message: string) => ctx.addIssue({ code: 'custom', path: [key], message });
  const isCluster = role.flags.includes('cluster');
  const twice = role.attribs.find((attrib, index) => role.attribs.findIndex((other) => other.name === attrib.name) < index);
  if (twice) refuse('attribs', `declares '${twice.name}' twice`);
  if (role.name === NODE_SCOPE) refuse('name', `'${NODE_SCOPE}' is the scope of the attribs of nodes; choose another`);
  for (const { field, message } of problemsOfData(role, role.template, 'template')) refuse('template', `${field}: ${message}`);
  const places = role.wants_attribs.map((want) => ('at' in want ? want.at : undefined) ?? want.name.slice(want.name.indexOf('/') + 1));
  for (const place of new Set(places.filter((each, index) => places.indexOf(each) < index)))
    refuse('wants_attribs', `two attribs would be put at '${place}'; give one of them another place with 'at'`);
  if (role.requires.includes(role.name)) refuse('requires', 'the role requires itself');
  if (role.attaches.includes(role.name)) refuse('attaches', 'the role attaches to itself');
  if (role.provides.includes(role.name)) refuse('provides', 'the role provides itself; every role does');
  if (role.conflicts.includes(role.name)) refuse('conflicts', 'the role conflicts with itself');
  if (role.precedes.some((next) => next.role === role.name)) refuse('precedes', 'the role precedes itself');
  if (role.flags.includes('abstract') && role.flags.some((flag) => flag === 'discovery' || flag === 'bootstrap'))
    refuse('flags', 'an abstract role cannot be bound, so it is neither discovery nor bootstrap; give the flag to a role that provides it');
  if (!isCluster && role.barrier !== 'all') refuse('barrier', 'only a role with the flag cluster has a barrier');
  if (role.name.startsWith(COMPANION_PREFIX))
    refuse('name', `names that begin with ${COMPANION_PREFIX} are for the barriers that Prybar makes of cluster roles`);
  if (isCluster && role.name.length > NAME_MAX - COMPANION_PREFIX.length)
    refuse('name', `a cluster role's name has at most ${NAME_MAX - COMPANION_PREFIX.length} letters, because its barrier is named ${COMPANION_PREFIX}<name>`);
  if (role.backoff_max_seconds !== undefined && role.backoff_max_seconds < role.backoff_seconds) refuse('backoff_max_seconds', 'is less than backoff-seconds');
});
export type RoleDefinition = z.output<typeof roleDefinition>;

/** An attrib of nodes, by its path in their hints. Facts and hints are shown to whoever may read a node: nothing secret. */
const nodeAttrib = keyedObject({
  name: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/, 'letters, digits, _ or -, a slash between the parts of a path'),
  description: z.string().default(''),
  schema: z.record(z.string(), z.json()),
}).superRefine(({ schema }, ctx) => {
  const problem = problemOfSchema(schema);
  if (problem !== null) ctx.addIssue({ code: 'custom', path: ['schema'], message: `is not a JSON Schema: ${problem}` });
  else if (hasSecrets([{ name: 'value', schema }]))
    ctx.addIssue({ code: 'custom', path: ['schema'], message: 'hints of nodes are no place for a secret; declare the attrib in a role' });
});

export const barclampDefinition = keyedObject({
  barclamp: keyedObject({ name, description: z.string().default(''), version: z.union([z.string(), z.number().transform(String)]).default('1') }),
  /** Of nodes, not of a role. */
  attribs: z.array(nodeAttrib).default([]),
  roles: z.array(roleDefinition).min(1),
}).superRefine(({ roles, attribs }, ctx) => {
  attribs.forEach(({ name: path }, index) => {
    if (attribs.findIndex((attrib) => attrib.name === path) < index)
      ctx.addIssue({ code: 'custom', path: ['attribs', index, 'name'], message: 'is declared twice' });
  });
  const seen = new Set<string>();
  roles.forEach((role, index) => {
    if (seen.has(role.name)) ctx.addIssue({ code: 'custom', path: ['roles', index, 'name'], message: 'is defined twice' });
    seen.add(role.name);
  });
});
export type BarclampDefinition = z.output<typeof barclampDefinition>;
