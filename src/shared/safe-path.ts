/**
 * Names that come from a network request, resolved inside one directory and nowhere else. Every door that serves files by
 * name goes through here (attack 1): TFTP, boot HTTP, static files.
 */
import { constants } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

/** A byte that has no business in a file name of ours; `%` would be a name that was encoded twice. */
const FORBIDDEN = /[\u0000-\u001f\u007f\\%]/;

const MAX_NAME_LENGTH = 255;

/** The segments of a relative name, or undefined when it is none: empty, absolute, `..`, hidden, backslash, control byte, `%`. */
export function safeSegments(requested: string): string[] | undefined {
  if (requested === '' || requested.length > MAX_NAME_LENGTH || FORBIDDEN.test(requested)) return undefined;
  const segments = requested.split('/');
  return segments.every((segment) => segment !== '' && !segment.startsWith('.')) ? segments : undefined;
}

/**
 * The real path of a file or directory below `root`, symlinks followed and checked. Undefined when the name is not safe,
 * does not exist, or leads out of the root by any way.
 */
export async function resolveInside(root: string, requested: string): Promise<string | undefined> {
  const segments = safeSegments(requested);
  if (segments === undefined) return undefined;
  try {
    const realRoot = await realpath(root);
    const real = await realpath(path.join(realRoot, ...segments));
    return real.startsWith(realRoot.endsWith(path.sep) ? realRoot : realRoot + path.sep) ? real : undefined;
  } catch {
    // Not there, or not readable for us: for whoever asks it does not exist.
    return undefined;
  }
}

export type OpenFile = { handle: FileHandle; sizeBytes: number; modifiedMs: number; path: string };

/**
 * Opens a regular file below `root` for reading; undefined when there is none. The last step refuses a symlink put there
 * between the check and the open, and never blocks on a named pipe. The caller closes the handle.
 */
export async function openInside(root: string, requested: string): Promise<OpenFile | undefined> {
  const real = await resolveInside(root, requested);
  if (real === undefined) return undefined;
  let handle: FileHandle;
  try {
    handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    // Gone since it was resolved, or not readable.
    return undefined;
  }
  const stat = await handle.stat();
  if (stat.isFile()) return { handle, sizeBytes: stat.size, modifiedMs: Math.trunc(stat.mtimeMs), path: real };
  await handle.close();
  return undefined;
}
