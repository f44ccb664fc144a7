/**
 * PURE: how a delivery proves that it is ours and fresh: HMAC-SHA256 (RFC 2104) of the time and the body under the webhook's
 * secret. The header `Prybar-Signature: t=<seconds of the epoch>,v1=<hex>`; receivers refuse an old `t`, so that a delivery
 * somebody recorded cannot be played again.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export const SIGNATURE_HEADER = 'Prybar-Signature';
/** How old a signature a receiver should take at most, seconds. */
export const SIGNATURE_AGE_SECONDS = 300;

/** The header's value. `body` is exactly what is sent. */
export function sign(secret: string, timestamp: number, body: string): string {
  return `t=${timestamp},v1=${digest(secret, timestamp, body)}`;
}

function digest(secret: string, timestamp: number, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
}

/** What a receiver does; ours to test that the documented recipe works. `now` in seconds. */
export function isSigned(secret: string, header: string, body: string, now: number): boolean {
  const parts = new Map(header.split(',').map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]));
  const timestamp = Number(parts.get('t'));
  if (!Number.isInteger(timestamp) || Math.abs(now - timestamp) > SIGNATURE_AGE_SECONDS) return false;
  const [given, wanted] = [Buffer.from(parts.get('v1') ?? '', 'hex'), Buffer.from(digest(secret, timestamp, body), 'hex')];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
