/**
 * Passwords of BMCs in the database are encrypted with a key that is not in it: `<home>/secret.key`, 32 random bytes,
 * readable by its owner alone. AES-256-GCM (NIST SP 800-38D) with a fresh 96-bit nonce each; stored as
 * `<nonce>.<tag>.<text>` in base64.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from '../shared/errors.js';
import { Secret } from './power.js';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export type Secrets = {
  encrypt(plain: string): string;
  /** Throws ConfigError when the text was encrypted with another key, or changed. The empty string is the empty secret. */
  decrypt(stored: string): Secret;
};

/** Opens the key file of an installation and makes it on first use; two processes that start together get one key. */
export async function openSecrets(home: string): Promise<Secrets> {
  const file = path.join(home, 'secret.key');
  const key = (await readKey(file)) ?? (await makeKey(home, file));
  if (key.length !== KEY_BYTES)
    throw new ConfigError(
      `${file}: the key has ${key.length} bytes instead of ${KEY_BYTES}`,
      'restore the file from a backup, or remove it and set the BMC passwords again',
    );
  return secretsOf(key);
}

async function readKey(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Written aside and linked into place: nobody ever reads half a key, and the first one wins. */
async function makeKey(home: string, file: string): Promise<Buffer> {
  await mkdir(home, { recursive: true });
  const aside = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(aside, randomBytes(KEY_BYTES), { mode: 0o600, flag: 'wx' });
  try {
    await link(aside, file);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await unlink(aside);
  }
  return readFile(file);
}

function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

/** The same with a key at hand. */
export function secretsOf(key: Buffer): Secrets {
  return {
    encrypt(plain) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return [nonce, cipher.getAuthTag(), text].map((part) => part.toString('base64')).join('.');
    },
    decrypt(stored) {
      if (stored === '') return new Secret('');
      const [nonce, tag, text] = stored.split('.').map((part) => Buffer.from(part, 'base64'));
      if (nonce?.length !== NONCE_BYTES || tag?.length !== TAG_BYTES || text === undefined) throw unreadable();
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, nonce);
        decipher.setAuthTag(tag);
        return new Secret(Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8'));
      } catch (cause) {
        throw unreadable(cause);
      }
    },
  };
}

function unreadable(cause?: unknown): ConfigError {
  return new ConfigError(
    'a BMC password cannot be read with the key in secret.key',
    'restore secret.key of this installation, or set the BMC passwords again',
    { cause },
  );
}
