/**
 * Packages of Debian's archive without root and without touching the system: apt-get with lists, cache and state in a
 * temporary folder of its own, unpacked by dpkg-deb. Sources, keyrings and proxies are the system's own.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, run } from './step.mjs';

/**
 * @typedef {object} FetchOptions
 * @property {(note: string) => void} note what is going on, for the person who waits
 * @property {boolean} [alone] the named packages and nothing they depend on: for files that are no programs
 * @property {string[]} [architectures] of Debian, beside this machine's own; such a package is named `name:architecture`
 */

/**
 * apt's configuration for private lists. Read after the system's own (-c), which is why it can clear the hooks that distributions
 * hang on an update and that need root.
 * @param {string} workplace @param {string[]} architectures
 */
async function writeAptConfig(workplace, architectures) {
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'log']) mkdirSync(join(workplace, folder), { recursive: true });
  const own = architectures.length === 0 ? '' : (await run('dpkg', ['--print-architecture'])).trim();
  const lines = [
    `Dir::State "${workplace}/state";`,
    'Dir::State::status "/var/lib/dpkg/status";',
    `Dir::Cache "${workplace}/cache";`,
    `Dir::Log "${workplace}/log";`,
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    'Acquire::Languages "none";',
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "20";',
    'Acquire::https::Timeout "20";',
    'APT::Install-Recommends "false";',
    ...(architectures.length === 0 ? [] : ['#clear APT::Architectures;', ...[own, ...architectures].map((name) => `APT::Architectures:: "${name}";`)]),
    ...(process.getuid?.() === 0 ? ['APT::Sandbox::User "root";'] : []), // _apt cannot enter a project under /root
  ];
  const file = join(workplace, 'apt.conf');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** What an installation of the packages would add to this system, themselves included: apt's own resolver decides. @param {string} config @param {string[]} packages */
async function resolveMissing(config, packages) {
  const plan = await run('apt-get', ['-c', config, '--simulate', 'install', '--no-install-recommends', ...packages]);
  return [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+)/gm)].map(([, name, version]) => `${name}=${version}`);
}

/** The packages behind those that only point at the newest version: `linux-image-amd64` -> `linux-image-6.1.0-56-amd64`. @param {string} config @param {string[]} packages */
async function followPointers(config, packages) {
  /** @type {string[]} */
  const found = [];
  for (const name of packages) {
    const depends = name.startsWith('linux-image-') ? await run('apt-cache', ['-c', config, 'depends', name]) : '';
    found.push(/Depends: (linux-image-\d\S*)/.exec(depends)?.[1] ?? name);
  }
  return found;
}

/** @param {string[]} packages @param {FetchOptions} options @param {(debs: string[]) => Promise<void>} use */
async function download(packages, { note, alone = false, architectures = [] }, use) {
  // A temporary folder, because its path is plain (apt takes a space in its directories badly) and the lists are 70 MB of no further use.
  const workplace = mkdtempSync(join(tmpdir(), 'prybar-apt-'));
  try {
    const config = await writeAptConfig(workplace, architectures);
    // One source that fails (somebody's third-party one) must not stop us; it is the reason only when the packages are then unknown.
    const updateError = await run('apt-get', ['-c', config, 'update', '--error-on=any'], { onLine: note }).then(
      () => undefined,
      (error) => error,
    );
    const missing = await (alone ? followPointers(config, packages) : resolveMissing(config, packages)).catch((error) => {
      throw updateError ?? error;
    });
    // Installed already, yet not usable from where it is (or its file was removed): fetch the package itself.
    const wanted = alone ? missing : [...missing, ...packages.filter((name) => !missing.some((entry) => entry.startsWith(`${name}=`)))];
    await run('apt-get', ['-c', config, 'download', ...wanted], { cwd: join(workplace, 'cache'), onLine: note });
    await use(
      readdirSync(join(workplace, 'cache'))
        .filter((file) => file.endsWith('.deb'))
        .map((file) => join(workplace, 'cache', file)),
    );
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

/** @param {unknown} error */
function reasonOf(error) {
  if (!(error instanceof CommandError)) return String(error);
  const lines = error.output.split('\n').filter((line) => /^(E|Err|W):|Err:/.test(line));
  return lines.slice(0, 4).join('\n') || error.message;
}

/**
 * Downloads packages and unpacks them below `root`. Rejects with what apt said and the way without us.
 * @param {string[]} packages @param {string} root @param {FetchOptions} options
 */
export async function unpackPackages(packages, root, options) {
  try {
    await download(packages, options, async (debs) => {
      mkdirSync(root, { recursive: true });
      for (const deb of debs) await run('dpkg-deb', ['-x', deb, root]);
    });
  } catch (error) {
    throw new Error(
      `Prybar needs ${packages.join(', ')} from Debian's archive and could not fetch it:\n${reasonOf(error)}\n` +
        `Fix: make the archive reachable and try again, or install as root: apt-get install ${packages.join(' ')}`,
      { cause: error },
    );
  }
}
