/**
 * X.509 certificates of our own authority (RFC 5280). RSA with SHA-256, because firmware and iPXE of 2019 know nothing newer for
 * certain. Signing is the caller's key; nothing is read or written here.
 */
import { createHash, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { bits, context, integer, nothing, objectId, octets, sequence, set, text, time, truth } from './der.js';

export type CertificateRequest = {
  /** Common name of whose it is, and of who signs. */
  subject: string;
  issuer: string;
  publicKey: KeyObject;
  /** Of the issuer; of one that signs itself the same. */
  issuerKey: { publicKey: KeyObject; privateKey: KeyObject };
  /** Positive, up to 20 bytes. */
  serial: Buffer;
  from: Date;
  until: Date;
  /** An authority, or a server by these names: IPv4 addresses and host names. */
  use: { kind: 'authority' } | { kind: 'server'; names: readonly string[] };
};

const OID = {
  commonName: '2.5.4.3',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

/** keyCertSign and cRLSign; digitalSignature and keyEncipherment. RFC 5280 section 4.2.1.3, the first bit is the highest. */
const KEY_USAGE = { authority: bits(Buffer.from([0x06]), 1), server: bits(Buffer.from([0xa0]), 5) } as const;

/** The certificate in DER. */
export function makeCertificate(request: CertificateRequest): Buffer {
  const algorithm = sequence(objectId(OID.sha256WithRsa), nothing());
  const body = sequence(
    context(0, integer(Buffer.from([2])), true),
    integer(request.serial),
    algorithm,
    nameOf(request.issuer),
    sequence(time(request.from), time(request.until)),
    nameOf(request.subject),
    request.publicKey.export({ type: 'spki', format: 'der' }),
    context(3, sequence(...extensionsOf(request)), true),
  );
  return sequence(body, algorithm, bits(sign('sha256', body, request.issuerKey.privateKey)));
}

/** DER as PEM, RFC 7468. */
export function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

const nameOf = (commonName: string): Buffer => sequence(set(sequence(objectId(OID.commonName), text(commonName))));

/** RFC 5280 section 4.2.1.2: the hash of the key itself, here of its whole description, which is as good a name. */
const keyIdentifier = (key: KeyObject): Buffer =>
  createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();

function extensionsOf({ use, publicKey, issuerKey }: CertificateRequest): Buffer[] {
  const extension = (id: string, value: Buffer, critical = false) => sequence(objectId(id), ...(critical ? [truth(true)] : []), octets(value));
  const common = [
    extension(OID.basicConstraints, use.kind === 'authority' ? sequence(truth(true)) : sequence(), true),
    extension(OID.keyUsage, KEY_USAGE[use.kind], true),
    extension(OID.subjectKeyIdentifier, octets(keyIdentifier(publicKey))),
    extension(OID.authorityKeyIdentifier, sequence(context(0, keyIdentifier(issuerKey.publicKey), false))),
  ];
  if (use.kind === 'authority') return common;
  return [
    ...common,
    extension(OID.extendedKeyUsage, sequence(objectId(OID.serverAuth))),
    extension(OID.subjectAltName, sequence(...use.names.map(alternativeName))),
  ];
}

/** iPAddress [7] or dNSName [2]. */
function alternativeName(name: string): Buffer {
  return isIPv4(name) ? context(7, Buffer.from(name.split('.').map(Number)), false) : context(2, Buffer.from(name, 'latin1'), false);
}
