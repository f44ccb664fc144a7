/** Every bootenv of a folder as an operator wants to hear of it before a machine does. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { ValidationError } from '../shared/errors.js';
import { builtinCatalog, loadBootenvs } from './registry.js';

export type CheckedBootenv = {
  name: string;
  /** Reads and renders with every sample node. */
  valid: boolean;
  /** A machine can boot it: its kernel and initrds are there. */
  available: boolean;
  archs: string[];
  problems: string[];
};

/** Checks the folders of bootenvs in `directory`, or one bootenv's own folder; without one all that this installation serves. */
export async function checkBootenvs(options: { home: string; directory?: string | undefined }): Promise<CheckedBootenv[]> {
  const own = [builtinCatalog(), path.join(options.home, 'bootenvs')];
  const only = options.directory === undefined ? undefined : await catalogOf(path.resolve(options.directory));
  const { registry, refused } = await loadBootenvs({ home: options.home, catalogs: only === undefined ? own : [only.catalog] });
  const isWanted = (name: string) => only?.name === undefined || only.name === name;
  const loaded = [...registry.values()].map(({ name, definition, available, problems }) => ({
    name,
    valid: !problems.some((problem) => problem.includes('does not render')),
    available,
    archs: definition.archs,
    problems,
  }));
  const broken = refused.map(({ folder, problem }) => ({ name: folder, valid: false, available: false, archs: [], problems: [problem] }));
  return [...loaded, ...broken].filter(({ name }) => isWanted(name)).toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** A folder of folders, or the folder of one bootenv. Throws ValidationError when it is neither. */
async function catalogOf(directory: string): Promise<{ catalog: string; name?: string }> {
  const isThere = async (file: string) => (await stat(file).catch(() => undefined)) !== undefined;
  if (!(await isThere(directory)))
    throw new ValidationError(`directory: ${directory} is not there`, [{ field: 'directory', message: `${directory} is not there` }]);
  if (await isThere(path.join(directory, 'bootenv.yml'))) return { catalog: path.dirname(directory), name: path.basename(directory) };
  return { catalog: directory };
}
