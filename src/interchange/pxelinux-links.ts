/**
 * PURE: the links of a head node as MOC's has them: `pxelinux.cfg/01-<mac>` leads to the configuration of what the machine
 * installs, and a machine without a link boots `default`, its disk. Names: https://wiki.syslinux.org/wiki/index.php?title=PXELINUX
 */
import { macWithDashes } from '../shared/mac.js';
import type { HostRecord } from './host-records.js';

/** What `default` holds where the site has none: the disk. */
export const DEFAULT_CONFIGURATION = 'default disk\nlabel disk\n  LOCALBOOT 0\n';

export type LinkTargets = {
  /** Where links lead, with `{bootenv}` for its name. */
  target: string;
  /** By bootenv; null: no link. */
  targets: Readonly<Record<string, string | null>>;
};

/** The link's name of a MAC: hardware type 1, then the MAC with dashes, in lower case. */
export function linkName(mac: string): string {
  return `01-${macWithDashes(mac)}`;
}

/** Where the machine's link leads; null when it has none. */
export function linkTarget(host: HostRecord, { target, targets }: LinkTargets): string | null {
  if (host.boot !== 'network' || host.bootenv === null) return null;
  return Object.hasOwn(targets, host.bootenv) ? (targets[host.bootenv] ?? null) : target.replaceAll('{bootenv}', host.bootenv);
}

/** A name of `pxelinux.cfg` as it stands: where a link leads, or `file` for anything that is not a link. */
export type Present = ReadonlyMap<string, { link: string } | 'file'>;

export type LinkPlan = { make: { name: string; target: string }[]; remove: string[]; blocked: string[] };

/**
 * What to change. Names of machines that Prybar does not know stay as they are; a file of the site's where a link is wanted,
 * or where the disk is, is reported and never replaced.
 */
export function planLinks(hosts: readonly HostRecord[], withdrawn: readonly string[], present: Present, targets: LinkTargets): LinkPlan {
  const plan: LinkPlan = { make: [], remove: [], blocked: [] };
  const wanted = new Map<string, string | null>(withdrawn.map((mac) => [linkName(mac), null]));
  for (const host of hosts) if (host.boot !== 'none') wanted.set(linkName(host.mac), linkTarget(host, targets));
  for (const [name, target] of wanted) {
    const is = present.get(name);
    if (is === 'file') plan.blocked.push(name);
    else if (target === null && is !== undefined) plan.remove.push(name);
    else if (target !== null && is?.link !== target) plan.make.push({ name, target });
  }
  return plan;
}
