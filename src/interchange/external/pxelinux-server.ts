/** Drives the links below a TFTP root: what is on the disk is what the TFTP server answers. */
import { randomBytes } from 'node:crypto';
import { access, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { UpstreamError } from '../../shared/errors.js';
import type { HostRecord } from '../host-records.js';
import { DEFAULT_CONFIGURATION, linkTarget, planLinks, type Present } from '../pxelinux-links.js';
import { readText, syncDirectory, writeIfChanged } from './atomic-file.js';
import type { BackEnd } from './back-end.js';
import type { PxelinuxSettings } from './settings.js';

export function pxelinuxServer(settings: PxelinuxSettings): BackEnd {
  const { directory } = settings;

  const apply = async (hosts: readonly HostRecord[], withdrawn: readonly string[]): Promise<number> => {
    let writes = 0;
    // The site's own `default` is never touched.
    if ((await readText(path.join(directory, 'default'))) === null && (await writeIfChanged(path.join(directory, 'default'), DEFAULT_CONFIGURATION)))
      writes += 1;
    await assertTargets(hosts);
    const plan = planLinks(hosts, withdrawn, await readPresent(directory), settings);
    for (const name of plan.remove) await rm(path.join(directory, name), { force: true });
    for (const { name, target } of plan.make) await replaceLink(directory, name, target);
    writes += plan.remove.length + plan.make.length;
    if (writes > 0) await syncDirectory(directory);
    if (plan.blocked.length > 0)
      throw new UpstreamError(
        `${path.join(directory, plan.blocked[0] ?? '')} is a file of the site's, not a link: remove it, or let Prybar forget the machine`,
      );
    return writes;
  };

  /** A link into nothing would send the machine to `default`: an installation that never begins. */
  const assertTargets = async (hosts: readonly HostRecord[]): Promise<void> => {
    const wanted = new Map(hosts.map((host) => [linkTarget(host, settings), host.bootenv] as const));
    for (const [target, bootenv] of wanted) {
      if (target === null) continue;
      const file = path.resolve(directory, target);
      await access(file).catch((cause: unknown) => {
        throw new UpstreamError(`${file} does not exist: bootenv ${bootenv ?? ''} needs it, or a line of its own under targets`, { cause });
      });
    }
  };

  return { apply, close: () => Promise.resolve() };
}

async function readPresent(directory: string): Promise<Present> {
  const entries = await readdir(directory, { withFileTypes: true });
  const pairs = entries
    .filter((entry) => entry.name.startsWith('01-'))
    .map(async (entry) => [entry.name, entry.isSymbolicLink() ? { link: await readlink(path.join(directory, entry.name)) } : ('file' as const)] as const);
  return new Map(await Promise.all(pairs));
}

/** Made beside it and renamed over it: at no time is there no link. */
async function replaceLink(directory: string, name: string, target: string): Promise<void> {
  const beside = path.join(directory, `.${name}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    await symlink(target, beside);
    await rename(beside, path.join(directory, name));
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
