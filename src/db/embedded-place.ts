/**
 * Where the embedded PostgreSQL's files live and as whom it runs. Normally inside the project as the user who started
 * us. As root it is the account `postgres`, which often cannot enter the project (/root is 0700): then binaries and data
 * go to /var/lib/prybar/<hash of the project's path>, and the start says so.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { ConfigError } from '../shared/errors.js';
import { canEnter, ensurePostgresAccount, findAccount, type Account } from './embedded-account.js';
import { copyBinaries, findPackagedBinaries, hydrateSymlinks } from './embedded-binaries.js';
import { findPackageRoot } from './package-root.js';

const MOVED_ROOT = '/var/lib/prybar';

export interface Place {
  /** Holds everything of this server: cluster/, password, port, postgres.log. Mode 0700, owned by the account. */
  home: string;
  /** PostgreSQL's own data directory, `home`/cluster. May not exist yet. */
  cluster: string;
  /** The folder with initdb and postgres. */
  bin: string;
  /** The account to switch to; undefined: run as ourselves. */
  account: Account | undefined;
}

/** Data made by an earlier start keeps its owner: PostgreSQL insists on running as the owner of its data. */
function accountFor(home: string, onStep: (step: string) => void): Account | undefined {
  const cluster = join(home, 'cluster');
  const owner = existsSync(cluster) ? statSync(cluster).uid : existsSync(home) ? statSync(home).uid : undefined;
  const self = process.getuid?.();
  if (self === 0) return owner ? findAccount(String(owner)) : ensurePostgresAccount(onStep);
  if (owner !== undefined && owner !== self) {
    const name = findAccount(String(owner))?.name ?? `uid ${owner}`;
    throw new ConfigError(
      `the embedded database in ${home} belongs to "${name}", not to you`,
      'start Prybar as root or as that user, choose another PRYBAR_HOME, or set DATABASE_URL',
    );
  }
  return undefined;
}

function makeHome(home: string, account: Account | undefined): void {
  if (account && home.startsWith(MOVED_ROOT)) {
    for (const folder of [MOVED_ROOT, dirname(home)]) {
      mkdirSync(folder, { recursive: true });
      chmodSync(folder, 0o755); // whatever our umask: the account has to pass through
    }
  }
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (!account) return;
  const files = [home, join(home, 'cluster'), join(home, 'password')].filter((file) => existsSync(file));
  // A copy of the project made by root leaves the data owned by root: give it back, or the server cannot read it.
  if (files.some((file) => statSync(file).uid !== account.uid)) execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, home]);
  chownSync(home, account.uid, account.gid);
}

const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12);

/** Where the files go when they cannot stay: one folder for the project, in it one for each data directory it wants. */
function movedHomeOf(wanted: string): string {
  const root = findPackageRoot();
  const inside = relative(root, wanted);
  const name = inside.startsWith('..') ? `${basename(wanted)}-${shortHash(wanted)}` : inside.replace(/^\.prybar\//, '').replaceAll('/', '-');
  return join(MOVED_ROOT, shortHash(root), name);
}

/** Decides the place and prepares it. `wantedHome` need not exist. Repeating it gives the same answer. */
export function preparePlace(wantedHome: string, onStep: (step: string) => void): Place {
  const packaged = findPackagedBinaries();
  mkdirSync(dirname(resolve(wantedHome)), { recursive: true });
  // Through any link to one name: a running server is recognised by the path on its command line.
  const wanted = join(realpathSync(dirname(resolve(wantedHome))), basename(wantedHome));
  const account = accountFor(wanted, onStep);
  const moved = account !== undefined && !(canEnter(account, dirname(wanted)) && canEnter(account, join(packaged.native, 'bin')));
  const home = moved ? movedHomeOf(wanted) : wanted;
  makeHome(home, account);

  const usableInPlace = !moved && hydrateSymlinks(packaged.native);
  const native = usableInPlace ? packaged.native : join(dirname(home), `postgres-programs-${packaged.version}`);
  if (moved) onStep(`the account "${account.name}" cannot enter ${dirname(wanted)}: PostgreSQL's programs and data are in ${dirname(home)}`);
  else if (!usableInPlace) onStep(`node_modules cannot be completed by this user: PostgreSQL's programs are copied to ${native}`);
  if (!usableInPlace) copyBinaries(packaged.native, native);
  return { home, cluster: join(home, 'cluster'), bin: join(native, 'bin'), account };
}
