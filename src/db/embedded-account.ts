/** Which OS account the embedded PostgreSQL runs as: it refuses root, so root hands it to the account `postgres`. */
import { execFileSync, spawnSync } from 'node:child_process';
import { ConfigError } from '../shared/errors.js';

/** An account to switch to; `undefined` where this type is optional means "as whoever we are". */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** The account with this name or numeric id, or undefined when the system has none. */
export function findAccount(nameOrUid: string): Account | undefined {
  const { status, stdout } = spawnSync('getent', ['passwd', nameOrUid], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const [name, , uid, gid] = stdout.trim().split(':');
  return name === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid) };
}

/** The account `postgres`, created (no login, no home) when the system has none. Root only. */
export function ensurePostgresAccount(onStep: (step: string) => void): Account {
  const existing = findAccount('postgres');
  if (existing) return existing;
  onStep('creating the system account "postgres", because PostgreSQL refuses to run as root');
  try {
    const options = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin'];
    execFileSync('useradd', [...options, 'postgres'], { stdio: 'pipe' });
  } catch (error) {
    if (!findAccount('postgres')) {
      const fix = 'create an account named postgres, start Prybar as an ordinary user, or set DATABASE_URL';
      throw new ConfigError('the account "postgres" could not be created', fix, { cause: error });
    }
  }
  const created = findAccount('postgres');
  if (!created) throw new ConfigError('the account "postgres" could not be found', 'start Prybar as an ordinary user, or set DATABASE_URL');
  return created;
}

/** Asks the kernel, not the mode bits, whether the account may enter the directory: ACLs and every ancestor count. */
export function canEnter(account: Account | undefined, directory: string): boolean {
  const identity = account && { uid: account.uid, gid: account.gid };
  return spawnSync('test', ['-x', directory], { ...identity, cwd: '/' }).status === 0;
}
