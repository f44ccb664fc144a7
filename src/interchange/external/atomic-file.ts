/** Files of other programs, replaced whole: a reader sees the old text or the new, also after a power cut. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/** Readable by the server, whatever its account; they hold no secrets. */
const FILE_MODE = 0o644;

/** The code of an error of the file system; undefined when it has none. */
export function codeOf(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** The text of a file; null when there is none. */
export async function readText(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
}

/**
 * Writes the text unless the file has it already; true when it was written. Beside the file first, synced, then renamed over
 * it and the directory synced: a full disk or a crash leaves the file as it was. Throws what the file system throws.
 */
export async function writeIfChanged(file: string, text: string): Promise<boolean> {
  if ((await readText(file)) === text) return false;
  // Hidden: dnsmasq skips names with a leading dot where it is given a directory.
  const beside = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    const handle = await open(beside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, FILE_MODE);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await syncDirectory(path.dirname(file));
  return true;
}

/** Makes renames and links in a directory outlive a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
