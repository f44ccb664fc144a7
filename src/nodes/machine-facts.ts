/**
 * What a discovered machine says about itself: the door of `POST /node/facts`. It comes from whatever booted our image,
 * so sizes are bounded and text is printable.
 */
import { z } from 'zod';
import { parseMac } from '../shared/mac.js';

/** Printable text without control characters: it is stored, logged and shown. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'no control characters');

const mac = z
  .string()
  .max(40)
  .transform((value, ctx) => {
    const parsed = parseMac(value);
    if (parsed !== undefined) return parsed;
    ctx.addIssue({ code: 'custom', message: 'six bytes in hex, with colons or dashes between them' });
    return z.NEVER;
  });

const nicSchema = z.strictObject({ name: text(64), mac, speed: z.number().int().min(0).max(10_000_000).nullish(), carrier: z.boolean().nullish() });

const diskSchema = z.strictObject({
  name: text(128),
  serial: text(128).nullish(),
  size_bytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  rotational: z.boolean().nullish(),
});

/** Facts of a machine in a discovery or maintenance boot. Unknown keys are refused. */
export const machineFactsSchema = z.strictObject({
  boot_id: text(64).min(8),
  class: z.enum(['discovery', 'maintenance']),
  /** SMBIOS system UUID and serial number, as the firmware wrote them: placeholders are sorted out later. */
  uuid: text(64).default(''),
  serial: text(128).default(''),
  vendor: text(128).default(''),
  product: text(128).default(''),
  arch: text(32).min(1),
  cpus: z.number().int().min(1).max(65_536),
  memory_bytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  firmware: z.enum(['bios', 'uefi']),
  nics: z.array(nicSchema).min(1).max(64),
  disks: z.array(diskSchema).max(512),
  agent_version: text(64).default(''),
});

export type MachineFacts = z.infer<typeof machineFactsSchema>;
