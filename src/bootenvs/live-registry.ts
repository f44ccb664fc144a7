/**
 * The boot environments as they are on the disk now: looked at again and again, read anew when a file was changed, without a
 * restart. A change that cannot be read leaves what is wrong in the list, as at start.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Pool } from '../db/client.js';
import type { Logger } from '../shared/logger.js';
import { builtinCatalog, loadBootenvs, saveBootenvs, type BootenvRegistry } from './registry.js';

export type LiveRegistry = {
  current(): BootenvRegistry;
  /** Looks now, and resolves when what was found is in force. */
  refresh(): Promise<void>;
  close(): Promise<void>;
};

export type LiveRegistryOptions = { home: string; pool: Pool; log: Logger; catalogs?: readonly string[]; everyMs?: number };

/** A change is in force within this time. The look costs a few dozen stats. */
const EVERY_MS = 2_000;
const MAX_DEPTH = 2;

export async function openLiveRegistry(options: LiveRegistryOptions): Promise<LiveRegistry> {
  const catalogs = options.catalogs ?? [builtinCatalog(), path.join(options.home, 'bootenvs')];
  const watched = [...catalogs, path.join(options.home, 'images')];
  let seen = await signatureOf(watched);
  let registry = (await loadBootenvs({ home: options.home, catalogs })).registry;
  let looking: Promise<void> | undefined;
  const look = async () => {
    const now = await signatureOf(watched);
    if (now === seen) return;
    const loaded = await loadBootenvs({ home: options.home, catalogs });
    for (const { folder, problem } of loaded.refused) options.log.error({ folder, problem }, 'bootenv refused');
    // Saved first: when the database is away the change is found again at the next look.
    await saveBootenvs(options.pool, loaded.registry);
    registry = loaded.registry;
    seen = now;
    options.log.info({ bootenvs: registry.size }, 'bootenvs read anew');
  };
  const refresh = async () => {
    looking ??= look().finally(() => (looking = undefined));
    await looking;
  };
  const timer = setInterval(() => {
    refresh().catch((error: unknown) => options.log.warn({ err: error }, 'bootenvs not read anew'));
  }, options.everyMs ?? EVERY_MS);
  timer.unref();
  return {
    current: () => registry,
    refresh,
    async close() {
      clearInterval(timer);
      // What fails was told by the look that was under way.
      await looking?.catch(() => undefined);
    },
  };
}

/** Names, sizes and times of all files; two states of the disk that a reader could tell apart have different ones. */
async function signatureOf(directories: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const directory of directories) await addFiles(lines, directory, 0);
  return lines.join('\n');
}

async function addFiles(lines: string[], directory: string, depth: number): Promise<void> {
  // A folder that is not there, or goes while we look, has no files.
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) {
      if (depth < MAX_DEPTH) await addFiles(lines, file, depth + 1);
      continue;
    }
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined) lines.push(`${file} ${found.size} ${found.mtimeMs} ${found.ino}`);
  }
}
