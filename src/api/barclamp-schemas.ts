/** The contract of `/barclamps`: folders of role definitions. What a definition may hold is docs/barclamps.md. */
import { z } from 'zod';
import { jsonObjectSchema } from './schemas.js';

const jsonObject = z.record(z.string(), z.unknown());
const definition = jsonObjectSchema;

export const BARCLAMP_SOURCES = ['built-in', 'directory', 'api'] as const;

export const barclampSchema = z.object({
  name: z.string(),
  description: z.string(),
  version: z.string(),
  /** built-in: ships with Prybar; directory: from PRYBAR_BARCLAMPS; api: imported by somebody. */
  source: z.enum(BARCLAMP_SOURCES),
  imported_at: z.iso.datetime(),
  roles: z.array(z.string()),
  /** Roles it defines no more that are still bound. */
  retired: z.array(z.string()),
});
export type Barclamp = z.infer<typeof barclampSchema>;

/** With the definition: as an object, and as the text of its `barclamp.yml`. Importing either again changes nothing. */
export const barclampDetailSchema = barclampSchema.extend({ definition: jsonObject, yaml: z.string() });
export type BarclampDetail = z.infer<typeof barclampDetailSchema>;

/** One of three: `barclamp` and `roles`; `yaml`, the text of a file; `files`, the texts of several that may require each other. */
export const barclampImportSchema = z
  .strictObject({
    barclamp: definition.optional(),
    roles: z.array(definition).min(1).optional(),
    /** With `barclamp` and `roles`: attribs of nodes. */
    attribs: z.array(definition).optional(),
    yaml: z.string().min(1).optional(),
    files: z
      .array(z.strictObject({ file: z.string().min(1).max(200), yaml: z.string().min(1) }))
      .min(1)
      .max(1000)
      .optional(),
    /** Requirements on roles that do not exist yet become warnings. */
    allow_dangling: z.boolean().default(false),
    /** Roles of the barclamp that are not named now stay as they are. */
    keep_missing: z.boolean().default(false),
  })
  .superRefine((body, ctx) => {
    const given = [body.barclamp ?? body.roles, body.yaml, body.files].filter((each) => each !== undefined);
    if (given.length !== 1) ctx.addIssue({ code: 'custom', path: [], message: 'must hold one of: barclamp and roles; yaml; files' });
    for (const key of ['barclamp', 'roles'] as const)
      if (given.length === 1 && (body.barclamp ?? body.roles) !== undefined && body[key] === undefined)
        ctx.addIssue({ code: 'custom', path: [key], message: 'is required beside the other' });
  });
export type BarclampImport = z.input<typeof barclampImportSchema>;

/** What an import did, by names of roles. */
export const barclampImportResultSchema = z.object({
  barclamps: z.array(z.string()),
  created: z.array(z.string()),
  changed: z.array(z.string()),
  unchanged: z.array(z.string()),
  removed: z.array(z.string()),
  /** Not defined any more, but bound: kept, and nothing new is bound to them. */
  retired: z.array(z.string()),
  warnings: z.array(z.string()),
});
export type BarclampImportResult = z.infer<typeof barclampImportResultSchema>;
