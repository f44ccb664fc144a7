/** Reads barclamp folders from disk: every `<folder>/barclamp.yml`, checked against the schema, errors naming file and field. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseDocument } from 'yaml';
import { ValidationError } from '../shared/errors.js';
import { barclampDefinition, type BarclampDefinition } from './role.js';

const FILE = 'barclamp.yml';
/** More aliases than a person writes, fewer than it takes to blow a small file up. */
const MAX_ALIASES = 50;

/**
 * All barclamps below `root`, by folder name: folders that begin with a dot or hold no barclamp.yml are passed over.
 * Throws ValidationError for the first file that is not right.
 */
export async function loadBarclamps(root: string): Promise<BarclampDefinition[]> {
  const folders = (await readdir(root, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && existsSync(path.join(root, entry.name, FILE)))
    .map((entry) => entry.name);
  return Promise.all(folders.sort().map(async (folder) => parseBarclamp(await readFile(path.join(root, folder, FILE), 'utf8'), `${folder}/${FILE}`)));
}

/** One barclamp from its YAML, of which JSON is a part. `source` names the file in errors. */
export function parseBarclamp(text: string, source: string): BarclampDefinition {
  const document = parseDocument(text, { strict: true, uniqueKeys: true });
  const [first] = document.errors;
  if (first) throw new ValidationError(`${source}: ${first.message}`, [{ field: source, message: first.message }]);
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ValidationError(`${source}: ${message}`, [{ field: source, message }], { cause });
  }
  return readBarclamp(content, source);
}

/** One barclamp from its parsed content. */
export function readBarclamp(content: unknown, source: string): BarclampDefinition {
  const parsed = barclampDefinition.safeParse(content);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => ({ field: `${source}: ${placeInWords(content, issue.path)}`, message: issue.message }));
  throw new ValidationError(`${problems[0]?.field}: ${problems[0]?.message}`, problems);
}

/** `roles.2 (web).attribs.0 (port).schema`: items of a list with their names, because nobody counts lines of a list. */
function placeInWords(content: unknown, keys: readonly PropertyKey[]): string {
  let at: unknown = content;
  const words: string[] = [];
  for (const key of keys) {
    at = typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined;
    const named = typeof key === 'number' && typeof at === 'object' && at !== null && 'name' in at && typeof at.name === 'string';
    words.push(named ? `${key} (${String((at as { name: string }).name).slice(0, 63)})` : String(key));
  }
  return words.join('.') || 'file';
}
