/** The wire shapes of networks, allocations and leases. Part of the contract: imports nothing but zod and the other shapes. */
import { z } from 'zod';
import { idSchema, jsonObjectSchema, jsonSchema, keySchema, PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, refSchema } from './schemas.js';

const answer = z.object;
const request = z.strictObject;
const time = z.iso.datetime();

const paging = { limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT), after: z.string().max(50).optional() };
const flag = z.union([z.boolean(), z.enum(['true', 'false'])]).transform((value) => value === true || value === 'true');

const name = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'small letters, digits and dashes, beginning and ending with a letter or digit')
  .refine((value) => !/^\d+$/.test(value), 'may not be a number alone, because networks are addressed by id or name');
const address = z.ipv4('an IPv4 address, for example 10.0.0.5');
const subnet = z.cidrv4('an IPv4 block, for example 10.0.0.0/24');
const hostName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/, 'labels of small letters, digits and dashes, at most 63 each');
const mac = z
  .string()
  .regex(/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/, 'six bytes in hex, with colons or dashes between them')
  .transform((text) => text.toLowerCase().replaceAll('-', ':'));
const vlan = z.int().min(1).max(4094);
const conduit = z.string().min(1).max(200);

export const DHCP_MODES = ['authoritative', 'reservations', 'proxy', 'off'] as const;

const routerSchema = request({ address, pref: z.int().min(0).max(65_535).default(100) });
const rangeSchema = request({ name, first: address, last: address, conduit: conduit.nullable().optional(), vlan: vlan.nullable().optional() });

export const networkSchema = answer({
  id: z.int(),
  name: z.string(),
  category: z.string(),
  description: z.string(),
  subnet: z.string(),
  /** The lowest preference is the router that DHCP gives. */
  routers: z.array(answer({ address: z.string(), pref: z.int() })),
  /** `allocated`: addresses that are a machine's own; `leased`: held by lease besides. */
  ranges: z.array(
    answer({
      name: z.string(),
      first: z.string(),
      last: z.string(),
      conduit: z.string().nullable(),
      vlan: z.int().nullable(),
      size: z.int(),
      allocated: z.int(),
      leased: z.int(),
    }),
  ),
  dns: z.array(z.string()),
  domain: z.string(),
  /** A node is called <name>-<suffix> here. */
  suffix: z.string().nullable(),
  name_template: z.string().nullable(),
  /** Nodes of this deployment, and of those below it, get addresses here; null: every node. */
  deployment: refSchema.nullable(),
  group: z.string(),
  vlan: z.int().nullable(),
  conduit: z.string().nullable(),
  team_mode: z.int().nullable(),
  bridge: z.boolean(),
  configure: z.boolean(),
  dhcp_mode: z.string(),
  lease_seconds: z.int(),
  identify_by: z.string(),
  min_secs: z.int(),
  server_identifier: z.string().nullable(),
  boot_host: z.string().nullable(),
  unknown_quota: z.int().nullable(),
  quiet_ra: z.boolean(),
  /** `/boot-default/` without a token ends an installation here. */
  legacy_boot_default: z.boolean(),
  relays: z.array(z.string()),
  relay_modes: z.record(z.string(), z.unknown()),
  options: z.record(z.string(), z.unknown()),
  vendor_options: z.record(z.string(), z.unknown()),
  port_reservations: z.array(z.unknown()),
  allocations: z.int(),
  leases: z.int(),
  version: z.int(),
});
export type Network = z.infer<typeof networkSchema>;

const settings = {
  category: name.optional(),
  description: z.string().max(2000).optional(),
  routers: z.array(routerSchema).max(16).optional(),
  /** Replaces all; a range `dhcp` is the pool, from `host` nodes get theirs. */
  ranges: z.array(rangeSchema).max(64).optional(),
  dns: z.array(address).max(8).optional(),
  domain: hostName.optional(),
  suffix: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, 'small letters, digits and dashes, at most 32')
    .nullable()
    .optional(),
  name_template: z
    .string()
    .max(60)
    .regex(/^[a-z][a-z0-9-]*\{n\}([a-z0-9-]*[a-z0-9])?$/, 'a first label with {n}, the number: for example ctrl{n}')
    .nullable()
    .optional(),
  deployment: keySchema.nullable().optional(),
  group: name.optional(),
  vlan: vlan.nullable().optional(),
  conduit: conduit.nullable().optional(),
  team_mode: z.int().min(0).max(6).nullable().optional(),
  bridge: z.boolean().optional(),
  configure: z.boolean().optional(),
  dhcp_mode: z.enum(DHCP_MODES).optional(),
  lease_seconds: z.int().min(60, 'at least 60 seconds').max(31_536_000).optional(),
  identify_by: z.enum(['mac', 'client-id']).optional(),
  min_secs: z.int().min(0).max(65_535).optional(),
  server_identifier: address.nullable().optional(),
  boot_host: address.nullable().optional(),
  unknown_quota: z.int().min(0).max(1_000_000).nullable().optional(),
  quiet_ra: z.boolean().optional(),
  legacy_boot_default: z.boolean().optional(),
  relays: z.array(z.string().max(40)).max(1000).optional(),
  relay_modes: jsonObjectSchema.optional(),
  options: jsonObjectSchema.optional(),
  vendor_options: jsonObjectSchema.optional(),
  port_reservations: z.array(jsonSchema).max(10_000).optional(),
};

export const networkCreateSchema = request({ name, subnet, ...settings });
export type NetworkCreate = z.input<typeof networkCreateSchema>;

/** `version`: that of the network as it was read; another one is refused, so that two operators do not undo each other. */
export const networkPatchSchema = request({ name: name.optional(), subnet: subnet.optional(), version: z.int().optional(), ...settings });
export type NetworkPatch = z.input<typeof networkPatchSchema>;

export const networkListQuerySchema = request({ ...paging, category: z.string().max(63).optional(), q: z.string().max(200).optional() });
export type NetworkListQuery = z.input<typeof networkListQuerySchema>;

export const networkDeleteQuerySchema = request({ force: flag.default(false) });
export type NetworkDeleteQuery = z.input<typeof networkDeleteQuerySchema>;

export const allocationSchema = answer({
  id: z.int(),
  address: z.string(),
  mac: z.string().nullable(),
  hostname: z.string().nullable(),
  /** Recorded, never served. */
  unmanaged: z.boolean(),
  network: refSchema,
  node: refSchema.nullable(),
});
export type Allocation = z.infer<typeof allocationSchema>;

export const allocationListQuerySchema = request({
  ...paging,
  network: keySchema.optional(),
  node: keySchema.optional(),
  unmanaged: flag.optional(),
  /** Part of an address, MAC or name. */
  q: z.string().max(200).optional(),
});
export type AllocationListQuery = z.input<typeof allocationListQuerySchema>;

export const allocationCreateSchema = request({
  network: keySchema,
  /** Absent: the first free one of the range. */
  address: address.optional(),
  range: name.optional(),
  node: keySchema.optional(),
  mac: mac.optional(),
  hostname: hostName.optional(),
  unmanaged: z.boolean().optional(),
});
export type AllocationCreate = z.input<typeof allocationCreateSchema>;

export const LEASE_STATES = ['active', 'declined', 'released', 'expired'] as const;

export const leaseSchema = answer({
  address: z.string(),
  network: refSchema,
  mac: z.string(),
  hostname: z.string().nullable(),
  client_id: z.string().nullable(),
  state: z.string(),
  expires_at: time,
  updated_at: time,
  node: refSchema.nullable(),
});
export type Lease = z.infer<typeof leaseSchema>;

export const leaseListQuerySchema = request({
  ...paging,
  network: keySchema.optional(),
  state: z.enum(LEASE_STATES).optional(),
  q: z.string().max(200).optional(),
});
export type LeaseListQuery = z.input<typeof leaseListQuerySchema>;

export const byIdSchema = request({ id: idSchema });
export const byAddressSchema = request({ address });
