#!/usr/bin/env node
/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out, with --check only names them.
 *
 * npm drops an optional package from the lock when the registry of the moment does not carry it (mirrors often lack the
 * binaries of platforms nobody uses there), and then `npm ci` refuses the lock as incomplete, on every machine. An entry
 * with the version and the platform is enough: npm skips it elsewhere and fetches it by name where it fits.
 * Run after every `npm install`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { inProject } from './lib/project.mjs';
import { main } from './lib/step.mjs';

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const PROCESSORS = { arm64: 'arm64', x64: 'x64', ia32: 'ia32', ppc64: 'ppc64', s390x: 's390x', riscv64: 'riscv64', loong64: 'loong64', arm: 'arm' };

/** The platform that a binary package's name tells: "@swc/core-linux-x64-musl". @param {string} name */
export function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = Object.values(PROCESSORS).find((processor) => words.includes(processor));
  if (!os || !cpu) return undefined;
  const libc =
    os !== 'linux' ? undefined : words.some((word) => word.startsWith('musl')) ? 'musl' : words.some((word) => word.startsWith('gnu')) ? 'glibc' : undefined;
  return { cpu: [cpu], ...(libc && { libc: [libc] }), os: [os] };
}

/**
 * The lock entries that are missing, by their path.
 * @param {Record<string, any>} packages
 */
export function missingEntries(packages) {
  /** @type {Record<string, object>} */
  const missing = {};
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const places = [`${path}/node_modules/${name}`, `node_modules/${name}`];
      const platform = platformOf(name);
      if (places.some((place) => packages[place]) || !platform || !/^\d/.test(version)) continue;
      missing[`node_modules/${name}`] = { version, ...(entry.dev && { dev: true }), optional: true, ...platform };
    }
  }
  return missing;
}

async function completeLock() {
  const file = inProject('package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  const missing = missingEntries(lock.packages);
  const names = Object.keys(missing);
  if (names.length === 0) return 0;
  if (process.argv.includes('--check')) {
    process.stderr.write(`package-lock.json lacks ${names.length} packages of other platforms, npm ci will refuse it. Fix: node scripts/complete-lock.mjs\n`);
    return 1;
  }
  lock.packages = Object.fromEntries(Object.entries({ ...lock.packages, ...missing }).toSorted(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  return 0;
}

if (process.argv[1]?.endsWith('complete-lock.mjs')) await main(completeLock);
