/** PURE: the spec of an install as templates may use it. It comes from attribs and from what machines report: strict about characters. */
import { z } from 'zod';

const diskName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9/_.:+-]{0,99}$|^\/dev\/[A-Za-z0-9/_.:+-]{1,100}$/, 'a disk name such as sda or nvme0n1, or a path below /dev');
const packageName = z.string().regex(/^[A-Za-z0-9@^][A-Za-z0-9@^+._:-]{0,99}$/, 'a package name');
const publicKey = z.string().regex(/^[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\n\r]*)?$/, 'one line of an authorized_keys file');

const params = z.looseObject({
  authorized_keys: z.array(publicKey).default([]),
  /** crypt(3) form; secrets in answers are hashes (netboot-rules 19). */
  root_password_hash: z
    .string()
    .regex(/^\$[A-Za-z0-9$./=,-]{8,200}$/, 'a crypt(3) hash')
    .nullable()
    .default(null),
  timezone: z
    .string()
    .regex(/^[A-Za-z0-9_+/-]{1,64}$/)
    .default('Etc/UTC'),
  locale: z
    .string()
    .regex(/^[A-Za-z0-9_.@-]{1,32}$/)
    .default('en_US.UTF-8'),
  keyboard: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/)
    .default('us'),
});

export const installSpecSchema = z.looseObject({
  disk: diskName.nullish(),
  hostname: z.string().max(253).nullish(),
  packages: z.array(packageName).default([]),
  params: params.prefault({}),
});

export type InstallSpec = z.infer<typeof installSpecSchema>;

/** Reads a stored spec over the bootenv's defaults for `params`. Throws ZodError naming the field. */
export function readInstallSpec(stored: unknown, defaults: Record<string, unknown>): InstallSpec {
  const given = z.looseObject({ params: z.record(z.string(), z.unknown()).nullish() }).parse(stored);
  return installSpecSchema.parse({ ...given, params: { ...defaults, ...given.params } });
}

/** The path of a disk: names get /dev/ before them. Empty when none was chosen: the installer takes the first. */
export function diskPath(disk: string | null | undefined): string {
  if (disk === null || disk === undefined) return '';
  return disk.startsWith('/dev/') ? disk : `/dev/${disk}`;
}

const MAX_LABEL = 63;

/** Host name and domain of a node name: labels of letters, digits and dashes; anything else becomes a dash. RFC 1123 section 2.1. */
export function hostnameOf(name: string, fallbackDomain: string): { hostname: string; domain: string } {
  const labels = name.split('.').map((label) =>
    label
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, '-')
      .slice(0, MAX_LABEL)
      .replaceAll(/^-+|-+$/g, ''),
  );
  const [first = '', ...rest] = labels.filter((label) => label !== '');
  return { hostname: first === '' ? 'node' : first, domain: rest.length > 0 ? rest.join('.') : fallbackDomain };
}
