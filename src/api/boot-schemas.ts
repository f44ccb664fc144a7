/** Shapes of the boot timeline and the boot doctor. Imports nothing but zod and the shared shapes. */
import { z } from 'zod';
import { parseMac } from '../shared/mac.js';
import { PAGE_LIMIT_MAX, refSchema } from './schemas.js';

const time = z.iso.datetime();

/** A MAC in any usual spelling. */
export const macSchema = z
  .string()
  .max(40)
  .transform((text, context) => {
    const mac = parseMac(text);
    if (mac !== undefined) return mac;
    context.addIssue({ code: 'custom', message: 'must be a MAC address, for example 52:54:00:12:34:56' });
    return z.NEVER;
  });

/** One thing seen of a boot. Text and facts come from the machine: escape them where they are shown. */
export const bootStepSchema = z.object({
  id: z.int(),
  mac: z.string(),
  at: time,
  kind: z.string(),
  title: z.string().describe('what it is called: DISCOVER seen, TFTP start ...'),
  tone: z.enum(['good', 'plain', 'bad']),
  text: z.string(),
  facts: z.record(z.string(), z.unknown()),
});
export type BootStep = z.infer<typeof bootStepSchema>;

export const bootTimelineSchema = z.object({
  node: refSchema.nullable().describe('null for a machine that is no node yet'),
  items: z.array(bootStepSchema).describe('oldest first'),
  next: z.string().nullable().describe('cursor of the older page; null with `since`, and when there is none'),
  total: z.int(),
  present_from: z.int().nullable().describe('id of the step that the present boot began with, when it is on this page'),
});
export type BootTimeline = z.infer<typeof bootTimelineSchema>;

export const bootTimelineQuerySchema = z.strictObject({
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(200),
  after: z.string().max(20).optional().describe('the `next` of the page before'),
  since: z
    .union([z.string().regex(/^\d{1,15}$/), time], { error: 'must be the id of a step or a time like 2026-11-21T15:00:00Z' })
    .optional()
    .describe('only steps after this one, or after this time'),
});
export type BootTimelineQuery = z.input<typeof bootTimelineQuerySchema>;

export const unknownMachineSchema = z.object({ mac: z.string(), steps: z.int(), first_at: time, last: bootStepSchema });
export type UnknownMachine = z.infer<typeof unknownMachineSchema>;

export const unknownQuerySchema = z.strictObject({
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(50),
  after: z.string().max(20).optional().describe('the `next` of the page before'),
  q: z.string().max(40).optional().describe('part of a MAC'),
});
export type UnknownQuery = z.input<typeof unknownQuerySchema>;

export const suspectSchema = z.object({
  id: z.string().describe('stable; docs/boot-doctor.md lists them'),
  title: z.string(),
  certainty: z.enum(['certain', 'likely', 'possible']),
  because: z.array(z.string()).describe('what was seen; text of the machine may be in it'),
  means: z.string(),
  fix: z.string().describe('the switch to flip'),
  proof: z.string().describe('what would prove it'),
  source: z.string(),
});
export type Suspect = z.infer<typeof suspectSchema>;

export const bootDoctorSchema = z.object({
  node: refSchema.nullable(),
  mac: z.string(),
  verdict: z.enum(['running', 'under-way', 'stalled', 'unseen']),
  reached: z.string().describe('how far the present boot came'),
  silent_seconds: z.number().nullable().describe('since the last step; null when none was seen'),
  last: bootStepSchema.nullable(),
  suspects: z.array(suspectSchema).describe('causes that fit, the best first'),
  quirks: z.array(z.object({ name: z.string(), source: z.string() })).describe('known quirks of its firmware'),
});
export type BootDoctor = z.infer<typeof bootDoctorSchema>;
