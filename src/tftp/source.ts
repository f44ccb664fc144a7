/**
 * Names of read requests and what is behind them: files rendered for the machine that asks (`pxelinux.cfg/01-...`,
 * `grub/grub.cfg-01-...`), and loaders below one directory. Read only.
 */
import type { FileCache } from '../shared/file-cache.js';
import { openInside, safeSegments } from '../shared/safe-path.js';
import { bytesContent, FileContent, type Content } from './content.js';

/** Who asks, for files that depend on it: addresses in dotted form. */
export type Asker = { address: string; localAddress: string };

/**
 * Renders the file of this name for whoever asks; undefined when it renders no such file (then the directory is looked at).
 * The name is clean: relative, no `..`, no empty or hidden segment, `/` between folders. What it rejects with is told to the
 * client as "not available now", which lets a loader try again.
 */
export type VirtualFiles = (name: string, asker: Asker) => Promise<Buffer | string | undefined>;

/** Where the file of this name lies when that is not the directory of loaders: kernels and initrds, for loaders that know no HTTP. */
export type OtherPlaces = (name: string) => { root: string; name: string } | undefined;

export type Source = { root: string; cache: FileCache; virtualFiles?: VirtualFiles | undefined; otherPlaces?: OtherPlaces | undefined };

/**
 * The name as old ROMs mean it: leading slashes of either kind, a trailing 0xff or space (padding), backslashes between
 * folders (netboot-rules 3). What is left still has to be a safe name.
 */
export function cleanName(requested: string): string {
  return requested
    .replace(/[\u00ff ]+$/, '')
    .replaceAll('\\', '/')
    .replace(/^\/+/, '');
}

/** What a read request means, undefined when there is nothing of that name. The caller closes it. */
export async function openSource(source: Source, requested: string, asker: Asker): Promise<Content | undefined> {
  const name = cleanName(requested);
  if (safeSegments(name) === undefined) return undefined;
  const rendered = await source.virtualFiles?.(name, asker);
  if (rendered !== undefined) return bytesContent(Buffer.from(rendered));
  const place = source.otherPlaces?.(name) ?? { root: source.root, name };
  const file = await openInside(place.root, place.name);
  return file === undefined ? undefined : new FileContent(file, source.cache);
}

/** Loaders look for their configuration under a list of names: that one of them is not there is no fault. */
export function isConfigurationName(requested: string): boolean {
  return /^(pxelinux\.cfg|grub)\//.test(cleanName(requested));
}
