/** The wire shapes of an import from another DHCP server. Part of the contract: imports nothing but zod and the other shapes. */
import { z } from 'zod';
import { keySchema } from './schemas.js';

export const IMPORT_FORMATS = ['isc', 'dnsmasq', 'dnsmasq-leases', 'kea', 'kea-leases'] as const;
/** One body of the API holds it: some 10,000 leases of dnsmasq or Kea, 3,000 of ISC. */
export const IMPORT_MOST_CHARACTERS = 900_000;

export const dhcpImportSchema = z.strictObject({
  /** The file as it is. */
  text: z.string().min(1, 'the file is empty').max(IMPORT_MOST_CHARACTERS, `at most ${IMPORT_MOST_CHARACTERS} characters: import the file in parts`),
  /** Absent: by what only one of the formats has. */
  format: z.enum(IMPORT_FORMATS).optional(),
  /** Only what lies in this network. */
  network: keySchema.optional(),
  /** Leases that have not ended are taken over as well. */
  leases: z.boolean().default(true),
  dry_run: z.boolean().default(false),
  /** Take over what can be, in spite of problems. */
  skip_problems: z.boolean().default(false),
});
export type DhcpImport = z.input<typeof dhcpImportSchema>;

export const dhcpImportedSchema = z.object({
  format: z.enum(IMPORT_FORMATS),
  /** False after a dry run, and when a problem stood against it: then nothing was written. */
  applied: z.boolean(),
  /** What was, or would be, done. */
  counts: z.object({ reservations: z.int(), leases: z.int(), exists: z.int(), ended: z.int(), skipped: z.int() }),
  items: z.array(
    z.object({
      line: z.int(),
      kind: z.enum(['reservation', 'lease']),
      action: z.enum(['create', 'exists', 'ended', 'skipped']),
      mac: z.string(),
      address: z.string(),
      hostname: z.string().nullable(),
      network: z.string(),
      node: z.string().nullable(),
    }),
  ),
  /** In the order of the lines; `blocking` ones keep everything from being written unless skipped. */
  problems: z.array(z.object({ line: z.int(), message: z.string(), fix: z.string(), blocking: z.boolean() })),
});
export type DhcpImported = z.infer<typeof dhcpImportedSchema>;
