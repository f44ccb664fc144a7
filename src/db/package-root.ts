import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory that holds Prybar's package.json, and so prisma/ and node_modules/: the same from src/ and from dist/src/. */
export function findPackageRoot(from: string = dirname(fileURLToPath(import.meta.url))): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('no package.json above this file: Prybar has to run from its own package');
  return findPackageRoot(parent);
}
