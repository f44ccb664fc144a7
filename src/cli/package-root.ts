import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The nearest folder at or above `start` that holds a package.json: the same from src/ and from dist/src/. */
export function findPackageRoot(start: string): string {
  if (existsSync(path.join(start, 'package.json'))) return start;
  const parent = path.dirname(start);
  return parent === start ? start : findPackageRoot(parent);
}

/** The version in the package.json of that folder. */
export function packageVersion(packageRoot: string): string {
  const document: unknown = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8'));
  if (typeof document === 'object' && document !== null && 'version' in document && typeof document.version === 'string') return document.version;
  return 'unknown';
}
