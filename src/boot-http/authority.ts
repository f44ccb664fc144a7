/**
 * Our own certificate authority for HTTPS boot, and the certificate of this server: made at the first start, kept in
 * `<home>/tls`, keys readable by their owner alone, the server's renewed in good time.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, randomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { makeCertificate, toPem } from './certificate.js';

export type ServerIdentity = { key: string; cert: string; ca: string };

const DAY_MS = 86_400_000;
const CA_DAYS = 3_650;
/** Firmware with a clock that is a day off must not refuse it. */
const BACKDATE_MS = 2 * DAY_MS;
const SERVER_DAYS = 365;
/** A server's certificate is made anew this long before its end. */
const RENEW_MS = 60 * DAY_MS;
const CA_NAME = 'Prybar boot authority';
const RSA_BITS = 2_048;

const newKeys = promisify(generateKeyPair);
const folderOf = (home: string) => path.join(home, 'tls');

/** The authority's certificate as machines have to trust it; undefined while there is none. */
export async function readAuthority(home: string): Promise<X509Certificate | undefined> {
  const pem = await readFile(path.join(folderOf(home), 'ca.pem')).catch(() => undefined);
  return pem === undefined ? undefined : new X509Certificate(pem);
}

/**
 * The server's key and certificate for these names (IPv4 addresses or host names), made or renewed when they are not there, end
 * soon, or are for other names. Safe to repeat. Rejects when the folder cannot be written.
 */
export async function ensureIdentity(home: string, names: readonly string[], now: Date): Promise<ServerIdentity> {
  const folder = folderOf(home);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const authority = (await readPair(folder, 'ca')) ?? (await makeAuthority(folder, now));
  const ca = toPem(authority.certificate.raw);
  const known = await readPair(folder, 'server');
  if (known !== undefined && isGood(known.certificate, authority.certificate, names, now))
    return { key: pemOf(known.key), cert: toPem(known.certificate.raw), ca };
  const { publicKey, privateKey } = await newKeys('rsa', { modulusLength: RSA_BITS });
  const until = new Date(Math.min(now.getTime() + SERVER_DAYS * DAY_MS, Date.parse(authority.certificate.validTo)));
  const certificate = makeCertificate({
    subject: names[0] ?? 'prybar',
    issuer: CA_NAME,
    publicKey,
    issuerKey: { publicKey: createPublicKey(authority.key), privateKey: authority.key },
    serial: newSerial(),
    from: new Date(now.getTime() - BACKDATE_MS),
    until,
    use: { kind: 'server', names },
  });
  await writePair(folder, 'server', privateKey, toPem(certificate));
  return { key: pemOf(privateKey), cert: toPem(certificate), ca };
}

type Pair = { key: KeyObject; certificate: X509Certificate };

async function makeAuthority(folder: string, now: Date): Promise<Pair> {
  const { publicKey, privateKey } = await newKeys('rsa', { modulusLength: RSA_BITS });
  const der = makeCertificate({
    subject: CA_NAME,
    issuer: CA_NAME,
    publicKey,
    issuerKey: { publicKey, privateKey },
    serial: newSerial(),
    from: new Date(now.getTime() - BACKDATE_MS),
    until: new Date(now.getTime() + CA_DAYS * DAY_MS),
    use: { kind: 'authority' },
  });
  await writePair(folder, 'ca', privateKey, toPem(der));
  return { key: privateKey, certificate: new X509Certificate(der) };
}

function isGood(certificate: X509Certificate, authority: X509Certificate, names: readonly string[], now: Date): boolean {
  return (
    certificate.verify(authority.publicKey) &&
    Date.parse(certificate.validTo) - now.getTime() > RENEW_MS &&
    names.every((name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined)
  );
}

/** Undefined when one of the two is missing, cannot be read, or they do not belong together. */
async function readPair(folder: string, name: 'ca' | 'server'): Promise<Pair | undefined> {
  try {
    const key = createPrivateKey(await readFile(path.join(folder, `${name}.key`)));
    const certificate = new X509Certificate(await readFile(path.join(folder, `${name}.pem`)));
    return certificate.checkPrivateKey(key) ? { key, certificate } : undefined;
  } catch {
    return undefined;
  }
}

/** The key first: a certificate whose key is missing is made again, a key alone is only replaced. */
async function writePair(folder: string, name: 'ca' | 'server', key: KeyObject, certificate: string): Promise<void> {
  for (const [file, content, mode] of [
    [`${name}.key`, pemOf(key), 0o600],
    [`${name}.pem`, certificate, 0o644],
  ] as const) {
    await writeFile(path.join(folder, `${file}.new`), content, { mode });
    await rename(path.join(folder, `${file}.new`), path.join(folder, file));
  }
}

const pemOf = (key: KeyObject): string => String(key.export({ type: 'pkcs8', format: 'pem' }));

/** RFC 5280 section 4.1.2.2: positive, at most 20 bytes, not to be guessed. */
function newSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}
