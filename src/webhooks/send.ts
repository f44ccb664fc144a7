/**
 * One attempt: resolves the host, asks the policy about every address it has, and connects to those very addresses, so that
 * a name that answers differently a moment later (DNS rebinding) leads nowhere. Follows no redirect, keeps no connection,
 * checks the certificate, reads the head of the answer and no more. Never rejects.
 */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { AddressPolicy } from './address-policy.js';
import type { Attempt } from './verdict.js';

/** Everything together: resolving, connecting, TLS, sending, the head of the answer. */
const TIMEOUT_MS = 10_000;
/** Of the answer's body: enough to see what went wrong there. */
const RESPONSE_BYTES = 2_048;
const HEADER_BYTES = 16_384;

export type Sending = {
  url: string;
  headers: Record<string, string>;
  body: string;
  policy: AddressPolicy;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Every address of a name; for tests, in place of the system's resolver. */
  resolve?: (host: string) => Promise<LookupAddress[]>;
};

export async function send({ url, headers, body, policy, signal, timeoutMs = TIMEOUT_MS, resolve = resolveName }: Sending): Promise<Attempt> {
  const began = performance.now();
  const ms = () => Math.round(performance.now() - began);
  const timeout = AbortSignal.timeout(timeoutMs);
  const over = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
  try {
    const target = new URL(url);
    const addresses = await untilOver(addressesOf(target, resolve), over);
    for (const { address } of addresses) {
      const reason = policy(address);
      // One bad address is enough: which of them would be connected to is not ours to choose.
      if (reason === null) continue;
      const what = isIP(target.hostname) === 0 ? `${target.hostname} is ${address}, which` : address;
      return { kind: 'refused', error: `${what} is ${reason}; PRYBAR_WEBHOOK_ALLOW may allow it`, ms: ms() };
    }
    return { ...(await post(target, addresses, { headers, body, signal: over })), kind: 'answered', ms: ms() };
  } catch (error) {
    const words = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : signal?.aborted === true ? 'the process stopped' : wordsOf(error);
    return { kind: 'no-answer', error: words, ms: ms() };
  }
}

/** An address in the URL stands for itself. */
async function addressesOf(target: URL, resolve: (host: string) => Promise<LookupAddress[]>): Promise<LookupAddress[]> {
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  return family === 0 ? resolve(host) : [{ address: host, family }];
}

/** All A and AAAA records and lines of the hosts file, as the system resolves names. */
function resolveName(host: string): Promise<LookupAddress[]> {
  return lookup(host, { all: true, verbatim: true });
}

type Answer = { status: number; retryAfterSeconds: number | null; response: string };

async function post(target: URL, addresses: LookupAddress[], ask: { headers: Record<string, string>; body: string; signal: AbortSignal }): Promise<Answer> {
  const checked: LookupFunction = (_host, options, done) => {
    const [first] = addresses;
    if (first === undefined) done(new Error('the name has no address'), '', 0);
    else if (options.all === true) done(null, addresses);
    else done(null, first.address, first.family);
  };
  const bytes = Buffer.from(ask.body, 'utf8');
  const options: https.RequestOptions = {
    method: 'POST',
    headers: { ...ask.headers, 'content-length': String(bytes.length) },
    lookup: checked,
    signal: ask.signal,
    // A connection that was kept would not be asked about again.
    agent: false,
    maxHeaderSize: HEADER_BYTES,
    rejectUnauthorized: true,
  };
  const request = target.protocol === 'https:' ? https.request(target, options) : http.request(target, options);
  const answered = new Promise<http.IncomingMessage>((done, fail) => request.on('response', done).on('error', fail));
  request.end(bytes);
  const response = await answered;
  const text = await readHead(response);
  return { status: response.statusCode ?? 0, retryAfterSeconds: retryAfter(response.headers['retry-after']), response: text };
}

/** The first bytes of the body; the connection is cut after them. */
async function readHead(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk.subarray(0, RESPONSE_BYTES - size));
    size += chunk.length;
    if (size >= RESPONSE_BYTES) break;
  }
  response.destroy();
  // NUL cannot be stored as text.
  return Buffer.concat(chunks).toString('utf8').replaceAll('\u0000', '');
}

/** Seconds of a Retry-After in its first form (RFC 9110 section 10.2.3); a date is not heeded. */
function retryAfter(header: string | undefined): number | null {
  return header !== undefined && /^\d{1,6}$/.test(header.trim()) ? Number(header) : null;
}

async function untilOver<T>(work: Promise<T>, over: AbortSignal): Promise<T> {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_done, fail) => {
    onAbort = () => fail(new Error('aborted'));
    over.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    over.removeEventListener('abort', onAbort);
  }
}

/** What went wrong, with its code: messages of TLS are long, codes of sockets are what people search for. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(wordsOf).join(', ');
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return code === '' || error.message.includes(code) ? error.message : `${error.message} (${code})`;
}
