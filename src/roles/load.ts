/** Reads barclamp folders from disk: every `<folder>/barclamp.yml`, checked against the schema, errors naming file and field. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseDocument } from 'yaml';
import { ValidationError } from '../shared/errors.js';
import { barclampDefinition, type BarclampDefinition } from './role.js';

const FILE = 'barclamp.yml';

/** All barclamps below `root`, by folder name. Throws ValidationError for the first file that is not right. */
export async function loadBarclamps(root: string): Promise<BarclampDefinition[]> {
  const folders = (await readdir(root, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(folders.sort().map(async (folder) => parseBarclamp(await readFile(path.join(root, folder, FILE), 'utf8'), `${folder}/${FILE}`)));
}

/** One barclamp from its YAML. `source` names the file in errors. */
export function parseBarclamp(text: string, source: string): BarclampDefinition {
  const document = parseDocument(text, { strict: true, uniqueKeys: true });
  const [first] = document.errors;
  if (first) throw new ValidationError(`${source}: ${first.message}`, [{ field: source, message: first.message }]);
  const parsed = barclampDefinition.safeParse(document.toJS({ maxAliasCount: 50 }));
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => ({ field: `${source}: ${issue.path.join('.')}`, message: issue.message }));
    throw new ValidationError(`${problems[0]?.field}: ${problems[0]?.message}`, problems);
  }
  return parsed.data;
}
