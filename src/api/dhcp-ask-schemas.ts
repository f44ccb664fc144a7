/** Shapes of `/dhcp/ask` and `/dhcp/explain`. Imports nothing but zod and shared. */
import { z } from 'zod';
import { parseIpv4 } from '../shared/ipv4.js';
import { macSchema } from './boot-schemas.js';

const address = z
  .string()
  .max(15)
  .refine((text) => parseIpv4(text) !== undefined, 'must be an IPv4 address, for example 10.0.0.9');
const text = z.string().min(1).max(255);
const hex = z
  .string()
  .max(1024)
  .regex(/^([0-9a-fA-F]{2})*$/, 'must be hex digits, two for each byte');

export const dhcpAskSchema = z
  .strictObject({
    mac: macSchema,
    type: z.enum(['discover', 'request', 'inform']).default('discover'),
    arch: z.int().min(0).max(65_535).optional().describe('option 93'),
    vendor: text.optional().describe('option 60; with arch and without it: PXEClient:Arch:<arch>:UNDI:003016'),
    user_class: text.optional().describe('option 77: iPXE'),
    network: z.string().max(200).optional().describe('heard on this network, directly'),
    relay: address.optional().describe('heard by this relay (giaddr)'),
    requested: address.optional().describe('option 50'),
    secs: z.int().min(0).max(65_535).default(8),
    maximum_bytes: z.int().min(300).max(65_535).optional().describe('option 57'),
    port: z.union([z.literal(67), z.literal(4011)]).default(67),
    options: z.record(z.string().regex(/^([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-4])$/, 'an option code, 1 to 254'), hex).default({}),
  })
  .refine((ask) => ask.network === undefined || ask.relay === undefined, { message: 'say network or relay, not both', path: ['relay'] });
export type DhcpAsk = z.input<typeof dhcpAskSchema>;

const optionSchema = z.object({ code: z.int(), name: z.string(), value: z.string(), hex: z.string() });
const wordsSchema = z.object({
  type: z.string(),
  xid: z.string(),
  secs: z.int(),
  mac: z.string(),
  ciaddr: z.string(),
  yiaddr: z.string(),
  siaddr: z.string(),
  giaddr: z.string(),
  sname: z.string(),
  file: z.string(),
  options: z.array(optionSchema),
});

export const reactionSchema = z.object({
  network: z.string().nullable(),
  decision: z.string().describe('`offer 10.0.0.9`, `ignore: pool-exhausted`'),
  rules: z.array(z.object({ rule: z.string(), source: z.string(), value: z.string() })).describe('in the order they were applied'),
  reply: z.object({ words: wordsSchema, bytes: z.int(), left_out: z.array(z.int()), to: z.string() }).nullable(),
});
export type Reaction = z.infer<typeof reactionSchema>;

/** More than a rack's boots; a capture is cut by the command line. */
export const EXPLAIN_MAX = 500;

export const dhcpExplainSchema = z.strictObject({
  packets: z
    .array(
      z.strictObject({
        at: z.number(),
        source: address,
        source_port: z.int().min(0).max(65_535),
        destination: address,
        destination_port: z.int().min(0).max(65_535),
        bytes: z.base64().max(4_000).describe('the payload of the datagram'),
      }),
    )
    .min(1)
    .max(EXPLAIN_MAX),
});
export type DhcpExplain = z.input<typeof dhcpExplainSchema>;

export const dhcpExplainedSchema = z.object({
  packets: z.array(
    z.object({
      number: z.int(),
      at: z.number(),
      from: z.string(),
      to: z.string(),
      mac: z.string(),
      words: wordsSchema.nullable(),
      error: z.string().nullable(),
      ours: reactionSchema.nullable().describe('what we would answer to a request'),
      complaints: z.array(z.object({ offset: z.int(), what: z.string(), source: z.string() })).describe('what is wrong with an answer for this client'),
    }),
  ),
  verdicts: z.array(z.object({ mac: z.string(), text: z.string(), packet: z.int().nullable(), offset: z.int().nullable() })),
});
export type DhcpExplained = z.infer<typeof dhcpExplainedSchema>;
