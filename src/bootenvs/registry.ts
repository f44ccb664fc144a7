/**
 * The boot environments of this installation: folders with a `bootenv.yml` and Liquid templates, built-in ones in
 * `catalog/`, users' own in <home>/bootenvs/. Loaded and rendered once with a sample node at start (style 28); what cannot
 * be served stays in the list with its problems, and never stops the process.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { parse as parseYaml } from 'yaml';
import type { Pool } from '../db/client.js';
import { findPackageRoot } from '../db/package-root.js';
import { openInside } from '../shared/safe-path.js';
import { answerOf, bootenvName, bootenvSchema, type BootenvDefinition } from './bootenv.js';
import { renderProblems } from './render-check.js';
import { imageDirectory, payloadKind, STAND_IN_PROBLEM } from './stand-ins.js';
import { compileTemplate, type CompiledTemplate } from './template.js';

const MAX_TEMPLATE_BYTES = 200_000;

export type LoadedBootenv = {
  name: string;
  definition: BootenvDefinition;
  kernelArgs: CompiledTemplate;
  /** By the name they are served under. */
  answers: ReadonlyMap<string, CompiledTemplate>;
  available: boolean;
  problems: string[];
};

/** By name. `local` is always there. */
export type BootenvRegistry = ReadonlyMap<string, LoadedBootenv>;

export type LoadOptions = {
  /** PRYBAR_HOME: images/ and bootenvs/ are below it. */
  home: string;
  /** Folders of bootenv folders, later ones win; default: the built-in catalog and <home>/bootenvs. */
  catalogs?: readonly string[];
};

/** The built-in catalog. Read from the sources, which production has too: templates are not compiled. */
export function builtinCatalog(): string {
  return path.join(findPackageRoot(), 'src', 'bootenvs', 'catalog');
}

/** Loads every folder. A folder that cannot be read as a bootenv is in `refused`, with the reason. */
export async function loadBootenvs(options: LoadOptions): Promise<{ registry: BootenvRegistry; refused: { folder: string; problem: string }[] }> {
  const catalogs = options.catalogs ?? [builtinCatalog(), path.join(options.home, 'bootenvs')];
  const registry = new Map<string, LoadedBootenv>();
  const refused: { folder: string; problem: string }[] = [];
  for (const catalog of catalogs) {
    for (const folder of await bootenvFolders(catalog)) {
      try {
        const loaded = await loadFolder(folder);
        registry.set(loaded.name, loaded);
      } catch (error) {
        // One bad folder, e.g. a user's, must not take the others away; the caller logs it.
        refused.push({ folder: path.basename(folder), problem: error instanceof Error ? error.message : String(error) });
      }
    }
  }
  for (const loaded of registry.values()) await checkPayloads(loaded, options.home);
  return { registry, refused };
}

async function bootenvFolders(catalog: string): Promise<string[]> {
  try {
    const entries = await readdir(catalog, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && bootenvName.safeParse(entry.name).success)
      .map((entry) => path.join(catalog, entry.name))
      .toSorted();
  } catch {
    // Users' own catalog need not exist.
    return [];
  }
}

async function loadFolder(folder: string): Promise<LoadedBootenv> {
  const parsed = bootenvSchema.safeParse(parseYaml(await readTemplate(folder, 'bootenv.yml'), { maxAliasCount: 0 }));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`bootenv.yml: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
  }
  const definition = parsed.data;
  if (definition.name !== path.basename(folder)) throw new Error(`bootenv.yml: name: '${definition.name}' is not the folder's name`);
  const loaded: LoadedBootenv = {
    name: definition.name,
    definition,
    kernelArgs: compileTemplate(definition.kernel_args, 'cmdline'),
    answers: new Map(),
    available: true,
    problems: [],
  };
  const answers = new Map<string, CompiledTemplate>();
  for (const [served, entry] of Object.entries(definition.answers)) {
    const { template, format } = answerOf(served, entry);
    if (format !== undefined) answers.set(served, compileTemplate(await readTemplate(folder, template), format));
  }
  loaded.answers = answers;
  loaded.problems = renderProblems(loaded);
  loaded.available = loaded.problems.length === 0;
  return loaded;
}

/** A regular file of the folder itself: a link out of it is not followed (attack 25). Throws with the reason. */
async function readTemplate(folder: string, template: string): Promise<string> {
  const file = await openInside(folder, template);
  if (file === undefined) throw new Error(`${template}: no such file in the folder of the bootenv`);
  try {
    if (file.sizeBytes > MAX_TEMPLATE_BYTES) throw new Error(`${template}: a template has at most ${MAX_TEMPLATE_BYTES} bytes`);
    return await file.handle.readFile('utf8');
  } finally {
    await file.handle.close();
  }
}

/** Looks at kernel and initrds again and sets what can be served. Rendering problems stay. */
export async function checkPayloads(loaded: LoadedBootenv, home: string): Promise<void> {
  const { definition } = loaded;
  const rendering = loaded.problems.filter((problem) => problem.includes('does not render'));
  const files = [...(definition.kernel === undefined ? [] : [definition.kernel]), ...definition.initrds];
  const missing: string[] = [];
  let standIn = false;
  for (const file of files) {
    const kind = await payloadKind(path.join(imageDirectory(home, definition.name), file));
    if (kind === 'missing') missing.push(missingProblem(definition, file));
    if (kind === 'stand-in') standIn = true;
  }
  loaded.problems = [...rendering, ...missing, ...(standIn ? [STAND_IN_PROBLEM] : [])];
  loaded.available = rendering.length === 0 && missing.length === 0;
}

function missingProblem(definition: BootenvDefinition, file: string): string {
  const source = definition.sources[file];
  return `images/${definition.name}/${file} is missing${source === undefined ? '' : `: it comes from ${source}`}`;
}

/** Writes the list to the database, for the API and for roles that choose a bootenv; one that is gone stays, not available. */
export async function saveBootenvs(pool: Pool, registry: BootenvRegistry): Promise<void> {
  const all = [...registry.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  await pool.query(
    `INSERT INTO bootenvs (name, os_family, description, kind, archs, available, problems, updated_at)
     SELECT b.name, b.os_family, b.description, b.kind, ARRAY(SELECT jsonb_array_elements_text(b.archs)), b.available,
            ARRAY(SELECT jsonb_array_elements_text(b.problems)), clock_timestamp()
       FROM jsonb_to_recordset($1::jsonb) AS b(name text, os_family text, description text, kind text, archs jsonb, available boolean, problems jsonb)
     ON CONFLICT (name) DO UPDATE SET os_family = EXCLUDED.os_family, description = EXCLUDED.description, kind = EXCLUDED.kind,
       archs = EXCLUDED.archs, available = EXCLUDED.available, problems = EXCLUDED.problems, updated_at = EXCLUDED.updated_at`,
    [
      JSON.stringify(
        all.map(({ definition, available, problems }) => ({
          name: definition.name,
          os_family: definition.os_family,
          description: definition.description,
          kind: definition.kind,
          archs: definition.archs,
          available,
          problems,
        })),
      ),
    ],
  );
  await pool.query(`UPDATE bootenvs SET available = false, problems = ARRAY['its folder is gone'] WHERE name <> ALL($1) AND available`, [
    all.map((loaded) => loaded.name),
  ]);
}
