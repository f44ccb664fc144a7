/** Shapes of the transfers of boot files. Imports nothing but zod and the shared shapes. */
import { z } from 'zod';
import { macSchema } from './boot-schemas.js';
import { keySchema, PAGE_LIMIT_MAX, refSchema } from './schemas.js';

const time = z.iso.datetime();

export const transferStateSchema = z.enum(['running', 'done', 'timeout', 'aborted', 'failed', 'lost']);
export const transferProtocolSchema = z.enum(['tftp', 'http']);

/** File names come from the machine: escape them where they are shown. */
export const transferSchema = z.object({
  id: z.int(),
  protocol: transferProtocolSchema,
  address: z.string(),
  mac: z.string().nullable().describe('whose the address is by its lease; null when nobody knows'),
  node: refSchema.nullable(),
  file: z.string(),
  size_bytes: z.int(),
  bytes: z.int().describe('TFTP: acknowledged by the machine; HTTP: taken by the network'),
  bytes_per_second: z.int().describe('over the last second; over its whole life once it has ended'),
  retransmits: z.int().describe('how often something was sent again'),
  block_bytes: z.int().nullable(),
  window_blocks: z.int().nullable(),
  state: transferStateSchema.describe('timeout: the machine fell silent; aborted: it ended the transfer; lost: the server ended without a word'),
  reason: z.string(),
  started_at: time,
  updated_at: time,
  ended_at: time.nullable(),
});
export type BootTransfer = z.infer<typeof transferSchema>;

export const transferQuerySchema = z.strictObject({
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(50),
  after: z.string().max(20).optional().describe('the `next` of the page before'),
  state: transferStateSchema.optional(),
  protocol: transferProtocolSchema.optional(),
  node: keySchema.optional().describe('id or name'),
  mac: macSchema.optional(),
  address: z.union([z.ipv4(), z.ipv6()], { error: 'must be an IP address' }).optional(),
  q: z.string().max(200).optional().describe("part of the file's name"),
});
export type TransferQuery = z.input<typeof transferQuerySchema>;

export const bootAuthoritySchema = z.object({ pem: z.string(), fingerprint_sha256: z.string(), not_after: time });
export type BootAuthority = z.infer<typeof bootAuthoritySchema>;
