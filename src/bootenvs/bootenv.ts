/**
 * What a boot environment is: a kernel with its initrds and command line, and the answer files its installer reads. The
 * form of `bootenv.yml`, the same for built-in ones and users' own (`<home>/bootenvs/<name>/`).
 */
import { z } from 'zod';
import { TEMPLATE_CONTEXTS, type TemplateContext } from './filters.js';

/** What it does to a machine. `local` boots the disk and has no kernel of ours. */
export const BOOTENV_KINDS = ['discovery', 'installer', 'local', 'maintenance'] as const;
export type BootenvKind = (typeof BOOTENV_KINDS)[number];

/** A plain file name: what is served under /boot must never need escaping. */
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'letters, digits, dot, dash and underscore');

export const bootenvName = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'small letters, digits, dot and dash');

type AnswerEntry = string | { template: string; format: TemplateContext };

const FORMAT_BY_NAME: readonly (readonly [RegExp, TemplateContext])[] = [
  [/\.ks$|^ks\.cfg$|kickstart/, 'kickstart'],
  [/preseed/, 'preseed'],
  [/^(user|meta|vendor)-data$|^network-config$|\.ya?ml$/, 'yaml'],
  [/\.sh$/, 'sh'],
  [/\.ipxe$/, 'ipxe'],
  [/^grub\.cfg/, 'grub'],
];

/** The template of an answer file and its format; undefined when nothing says which. */
export function answerOf(served: string, entry: AnswerEntry): { template: string; format: TemplateContext | undefined } {
  if (typeof entry !== 'string') return entry;
  return { template: entry, format: FORMAT_BY_NAME.find(([pattern]) => pattern.test(served))?.[1] };
}

export const bootenvSchema = z
  .strictObject({
    name: bootenvName,
    description: z.string().min(1),
    os_family: z.string().default(''),
    kind: z.enum(BOOTENV_KINDS),
    archs: z.array(z.enum(['x86_64', 'aarch64'])).min(1),
    /** Files below <home>/images/<name>/. */
    kernel: fileName.optional(),
    initrds: z.array(fileName).default([]),
    /** Liquid; words of the kernel line after those that every boot gets (`script.ts`). */
    kernel_args: z.string().default(''),
    /** Name served under /boot/answers/<token>/ -> the template beside bootenv.yml; its format follows from the name served, or is said. */
    answers: z.record(fileName, z.union([fileName, z.strictObject({ template: fileName, format: z.enum(TEMPLATE_CONTEXTS) })])).default({}),
    /** Defaults of what a spec may say under `params`. */
    params: z.record(z.string(), z.json()).default({}),
    /** Where the payload comes from: file -> URL, shown when it is missing. */
    sources: z.record(fileName, z.url()).default({}),
    /** Where a payload lies in the system's ISO image, for `prybar bootenvs import --iso`. */
    iso: z.record(fileName, z.string().regex(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/, 'a path inside the image')).default({}),
  })
  .refine((bootenv) => bootenv.kind === 'local' || bootenv.kernel !== undefined, { message: 'a kernel is needed', path: ['kernel'] })
  .superRefine(({ answers }, ctx) => {
    for (const [served, answer] of Object.entries(answers)) {
      if (answerOf(served, answer).format !== undefined) continue;
      ctx.addIssue({
        code: 'custom',
        message: `its format does not follow from the name: write { template: <file>, format: ${TEMPLATE_CONTEXTS.join(' | ')} }`,
        path: ['answers', served],
      });
    }
  })
  .refine((bootenv) => bootenv.kind !== 'installer' || Object.keys(bootenv.answers).length > 0, { message: 'an installer needs answers', path: ['answers'] });

export type BootenvDefinition = z.infer<typeof bootenvSchema>;
