/**
 * What a boot environment is: a kernel with its initrds and command line, and the answer files its installer reads. The
 * form of `bootenv.yml`, the same for built-in ones and users' own (`<home>/bootenvs/<name>/`).
 */
import { z } from 'zod';

/** What it does to a machine. `local` boots the disk and has no kernel of ours. */
export const BOOTENV_KINDS = ['discovery', 'installer', 'local', 'maintenance'] as const;
export type BootenvKind = (typeof BOOTENV_KINDS)[number];

/** A plain file name: what is served under /boot must never need escaping. */
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'letters, digits, dot, dash and underscore');

export const bootenvName = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'small letters, digits, dot and dash');

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
    /** Name served under /boot/answers/<token>/ -> the template beside bootenv.yml. */
    answers: z.record(fileName, fileName).default({}),
    /** Defaults of what a spec may say under `params`. */
    params: z.record(z.string(), z.json()).default({}),
    /** Where the payload comes from: file -> URL, shown when it is missing. */
    sources: z.record(fileName, z.url()).default({}),
  })
  .refine((bootenv) => bootenv.kind === 'local' || bootenv.kernel !== undefined, { message: 'a kernel is needed', path: ['kernel'] })
  .refine((bootenv) => bootenv.kind !== 'installer' || Object.keys(bootenv.answers).length > 0, { message: 'an installer needs answers', path: ['answers'] });

export type BootenvDefinition = z.infer<typeof bootenvSchema>;
