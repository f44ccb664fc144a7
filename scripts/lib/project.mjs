/** The project's own places and fingerprints. Plain Node, no dependencies: runs before anything is installed. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where package.json is. */
export const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Data, tools and loaders; git-ignored. PRYBAR_HOME moves it. */
export const prybarHome = resolve(projectRoot, process.env['PRYBAR_HOME'] ?? '.prybar');

/** @param {string[]} parts */
export const inProject = (...parts) => join(projectRoot, ...parts);

/**
 * Every file below the given files and folders, as paths relative to the project with '/', sorted. Missing ones count as empty.
 * @param {string[]} places
 * @param {(path: string) => boolean} [keep] also asked for folders, which it may cut off
 */
export function listFiles(places, keep = () => true) {
  /** @type {string[]} */
  const found = [];
  /** @param {string} place */
  const visit = (place) => {
    const name = relative(projectRoot, place).split(sep).join('/');
    if (!keep(name) || !existsSync(place)) return;
    /** @type {import('node:fs').Dirent[]} */
    let entries;
    try {
      entries = readdirSync(place, { withFileTypes: true });
    } catch {
      found.push(name); // a plain file named by the caller
      return;
    }
    for (const entry of entries) {
      const path = join(place, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (keep(relative(projectRoot, path).split(sep).join('/'))) found.push(relative(projectRoot, path).split(sep).join('/'));
    }
  };
  for (const place of places) visit(inProject(place));
  return found.sort();
}

/**
 * One hash over names and contents. Contents, not times: a checkout or a copy changes times without changing anything.
 * @param {string[]} files
 */
export function fingerprint(files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(inProject(file)))
      .update('\0');
  return hash.digest('hex');
}

/** Whether a stamp file holds exactly this text. @param {string} stamp @param {string} text */
export const isStamped = (stamp, text) => existsSync(stamp) && readFileSync(stamp, 'utf8') === text;
