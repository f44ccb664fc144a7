/** The wire shapes of zones and records. Part of the contract: imports nothing but zod and the other shapes. */
import { z } from 'zod';
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from './schemas.js';

const answer = z.object;
const request = z.strictObject;

const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** As DNS compares them, in small letters and without the last dot. */
export const domainNameSchema = z.string().min(1).max(253).regex(label, 'labels of small letters, digits, dashes and underscores, without the last dot');
const words = z.array(z.string().min(1).max(200)).max(100).optional();
const filter = request({ networks: words, categories: words, deployments: words, roles: words });
const secondary = z.string().regex(/^\d{1,3}(\.\d{1,3}){3}(:\d{1,5})?$/, 'an IPv4 address, with a port where it is not 53: 10.0.0.2:5300');

export const zoneSchema = answer({
  name: z.string(),
  reverse: z.boolean(),
  /** An operator made or changed it; otherwise it is of the networks alone. */
  written: z.boolean(),
  serial: z.int(),
  records: z.int(),
  ttl: z.int(),
  nameservers: z.array(z.string()),
  contact: z.string(),
  secondaries: z.array(z.string()),
  filter: z.record(z.string(), z.array(z.string())).nullable(),
  template: z.string().nullable(),
});
export type Zone = z.infer<typeof zoneSchema>;
export const zoneListSchema = answer({ items: z.array(zoneSchema), total: z.int() });

/** Everything that is said of a zone: what is left out is the default again. */
export const zonePutSchema = request({
  filter: filter.nullable().optional(),
  template: z
    .string()
    .max(200)
    .regex(
      /^([a-z0-9_.-]|\{\{ ?(node|suffix|network|deployment|address) ?\}\})+$/,
      'name parts and {{node}}, {{suffix}}, {{network}}, {{deployment}}, {{address}}',
    )
    .nullable()
    .optional(),
  ttl: z.int().min(1).max(604_800).nullable().optional(),
  nameservers: z.array(domainNameSchema).max(16).optional(),
  contact: z
    .string()
    .max(200)
    .regex(/^[a-z0-9._-]+@[a-z0-9.-]+$/, 'a mail address, for example hostmaster@example.com')
    .nullable()
    .optional(),
  secondaries: z.array(secondary).max(32).optional(),
});
export type ZonePut = z.input<typeof zonePutSchema>;

export const zoneFileSchema = answer({ name: z.string(), file: z.string(), text: z.string() });
export type ZoneFile = z.infer<typeof zoneFileSchema>;

export const recordSchema = answer({ id: z.int(), name: z.string(), type: z.string(), value: z.string() });
export type DnsRecord = z.infer<typeof recordSchema>;

export const recordCreateSchema = request({ name: domainNameSchema, type: z.enum(['A', 'AAAA', 'CNAME', 'TXT']), value: z.string().min(1).max(2000) });
export type RecordCreate = z.input<typeof recordCreateSchema>;

export const recordListQuerySchema = request({
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT),
  after: z.string().max(50).optional(),
  q: z.string().max(253).optional(),
});
export type RecordListQuery = z.input<typeof recordListQuerySchema>;

export const byZoneSchema = request({ name: domainNameSchema });
