/** Names of read requests and the files behind them: loaders, read only, below one directory. */
import { openInside, type OpenFile } from '../shared/safe-path.js';

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

/** Opens the file below `root` for a read request, undefined when there is none. The caller closes the handle. */
export async function openSource(root: string, requested: string): Promise<OpenFile | undefined> {
  return openInside(root, cleanName(requested));
}
