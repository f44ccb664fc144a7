/** PURE: machines, their BMC, what is seen of them. */
import { z } from 'zod';
import { PAGE_LIMIT_MAX, answer, flag, jsonObject, jsonObjectSchema, keySchema, refSchema, reference, paging, request, time } from './shapes.js';
import { bootClassSchema, nodeRoleStateSchema, stateCountsSchema } from './words.js';

export const nicSchema = answer({ name: z.string(), mac: z.string(), boot: z.boolean() });
export type Nic = z.infer<typeof nicSchema>;

/** A BMC as shown: its password never leaves the server. */
export const bmcSchema = answer({
  driver: z.string(),
  address: z.string(),
  port: z.int(),
  username: z.string(),
  power: z.string(),
  last_error: z.string().nullable(),
});
export type Bmc = z.infer<typeof bmcSchema>;

export const nodeSchema = answer({
  id: z.int(),
  name: z.string(),
  description: z.string(),
  deployment: refSchema,
  kind: z.string(),
  alive: z.boolean(),
  available: z.boolean(),
  arch: z.string(),
  uuid: z.string().nullable(),
  serial: z.string().nullable(),
  /** DHCP options of its own, by name or code. */
  dhcp_options: z.record(z.string(), z.unknown()),
  /** What we want it to boot. */
  desired: answer({ bootenv: z.string(), generation: z.int(), reason: z.string() }),
  /** What its DHCP entries carry, and whether every boot server answers it. */
  served: answer({ bootenv: z.string().nullable(), generation: z.int(), served: z.boolean() }),
  /** What it reports it booted. */
  observed: answer({
    bootenv: z.string().nullable(),
    boot_id: z.string().nullable(),
    class: bootClassSchema.nullable(),
    phase: z.string(),
    phase_detail: z.string(),
    phase_at: time.nullable(),
    address: z.string().nullable(),
    heartbeat_at: time.nullable(),
  }),
  nics: z.array(nicSchema),
  bmc: bmcSchema.nullable(),
  noderoles: stateCountsSchema,
  created_at: time,
});
export type Node = z.infer<typeof nodeSchema>;

export const nodeListQuerySchema = request({
  ...paging,
  deployment: keySchema.optional(),
  alive: flag.optional(),
  available: flag.optional(),
  bootenv: z.string().max(200).optional(),
  phase: z.string().max(200).optional(),
  /** Only nodes that have a noderole in this state. */
  state: nodeRoleStateSchema.optional(),
  /** Part of a name, MAC, serial number or address. */
  q: z.string().max(200).optional(),
});
export type NodeListQuery = z.input<typeof nodeListQuerySchema>;

const mac = z.string().regex(/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/, 'six bytes in hex, with colons or dashes between them');

/** A name, or one with the place of a number: `ctrl{n}` becomes ctrl1, ctrl2, ... */
const nameOrTemplate = z
  .string()
  .min(1)
  .max(200)
  .regex(
    /^[a-z0-9](([a-z0-9.-]|\{n\})*([a-z0-9]|\{n\}))?$/,
    'small letters, digits, dots and dashes, beginning and ending with a letter or digit; {n} for the next number',
  )
  .refine((value) => value.split('{n}').length <= 2, 'has {n} once')
  .refine((value) => !/^\d+$/.test(value), 'may not be a number alone, because objects are addressed by id or name');

export const nodeCreateSchema = request({ name: nameOrTemplate, macs: z.array(mac).max(64).optional(), deployment: reference.optional() });
export type NodeCreate = z.input<typeof nodeCreateSchema>;

export const nodePatchSchema = request({
  available: z.boolean().optional(),
  description: z.string().max(2000).optional(),
  deployment: reference.optional(),
  hint: jsonObjectSchema.optional(),
  /** DHCP options of this node by name or code, in place of the ones it has; docs/dhcp.md lists them. */
  dhcp_options: jsonObjectSchema.optional(),
});
export type NodePatch = z.input<typeof nodePatchSchema>;

export const bmcPutSchema = request({
  driver: z.enum(['ipmi', 'redfish', 'simulated']),
  /** Absent: one of the network of BMCs is given to it. */
  address: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[A-Za-z0-9.:-]+$/, 'a host name or an address')
    .optional(),
  /** The BMC's own, for its reservation; only without an address. */
  mac: mac.transform((text) => text.toLowerCase().replaceAll('-', ':')).optional(),
  port: z.number().int().min(1).max(65_535),
  username: z.string().max(200).default(''),
  password: z.string().max(200).default(''),
});
export type BmcPut = z.input<typeof bmcPutSchema>;

export const powerPutSchema = request({ action: z.enum(['on', 'off', 'cycle']), next_boot: z.enum(['pxe', 'disk']).optional() });
export type PowerPut = z.input<typeof powerPutSchema>;

export const bootEventSchema = answer({ id: z.int(), mac: z.string(), at: time, kind: z.string(), detail: jsonObject });
export type BootEvent = z.infer<typeof bootEventSchema>;

/** One line of a node's life; `source` says which table it is from, `id` is its id there. */
export const timelineItemSchema = answer({ at: time, source: z.enum(['boot', 'run', 'install']), id: z.int(), kind: z.string(), text: z.string() });
export type TimelineItem = z.infer<typeof timelineItemSchema>;
/** The newest lines, oldest of them first. */
export const timelineSchema = answer({ node: refSchema, items: z.array(timelineItemSchema) });
export type Timeline = z.infer<typeof timelineSchema>;
export const timelineQuerySchema = request({ limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(200) });
