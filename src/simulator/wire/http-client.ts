import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Counters } from '../counters.js';
import type { MachineQuirks } from './faults.js';

export type HttpAnswer = { status: number; contentType: string; body: string };

export type HttpQuestion = {
  method?: 'GET' | 'POST';
  url: string;
  /** Bearer token. */
  token?: string;
  /** Sent as JSON. */
  json?: unknown;
  /** Silence after which the request fails. */
  timeoutMs?: number;
};

/** Thrown when there was no whole HTTP answer: connection refused, cut off, silent, or shorter than it said. */
export class HttpSilence extends Error {}

const DEFAULT_TIMEOUT_MS = 10_000;
/** Scripts, answers and JSON are small; more than this is not one of them. */
const MAX_BODY_BYTES = 1 << 20;

/**
 * The machine's HTTP client for one boot: every connection leaves from its leased address. Three sockets are enough for a
 * long poll, a heartbeat and a log; they stay open between requests.
 */
export class HttpClient {
  readonly #agent: Agent;

  constructor(
    localAddress: string,
    private readonly counters: Counters,
    private readonly quirks: MachineQuirks = {},
  ) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: 3, maxFreeSockets: 2, localAddress });
  }

  /** One exchange with its whole body as text. Any status is an answer. */
  async ask(question: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const response = await this.#exchange(question, signal, (chunk) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) throw new HttpSilence(`more than ${MAX_BODY_BYTES} bytes`);
      chunks.push(chunk);
    });
    return {
      status: response.statusCode ?? 0,
      contentType: response.headers['content-type'] ?? '',
      body: Buffer.concat(chunks).toString('utf8'),
    };
  }

  /** Fetches a file of any size and forgets its bytes. Its length is checked against Content-Length, which boot files must have. */
  async download(url: string, signal: AbortSignal): Promise<{ status: number; bytes: number }> {
    let bytes = 0;
    const response = await this.#exchange({ url, timeoutMs: 30_000 }, signal, (chunk) => {
      bytes += chunk.length;
    });
    const said = response.headers['content-length'];
    if (response.statusCode === 200 && said === undefined) throw new HttpSilence(`${url} has no Content-Length (netboot-rules 12)`);
    if (response.statusCode === 200 && Number(said) !== bytes) throw new HttpSilence(`${bytes} of ${said} bytes`);
    return { status: response.statusCode ?? 0, bytes };
  }

  /** Drops every connection at once. */
  close(): void {
    this.#agent.destroy();
  }

  async #exchange(question: HttpQuestion, signal: AbortSignal, take: (chunk: Buffer) => void): Promise<IncomingMessage> {
    const payload = question.json === undefined ? undefined : Buffer.from(JSON.stringify(question.json));
    const headers: Record<string, string | number> = { 'user-agent': 'prybar-simulator' };
    if (question.token !== undefined) headers['authorization'] = `Bearer ${question.token}`;
    if (payload !== undefined) headers['content-type'] = 'application/json';
    if (payload !== undefined) headers['content-length'] = payload.length;
    const { httpBlocked, httpDiesAfter = Number.POSITIVE_INFINITY } = this.quirks;
    // A filter that drops the connection looks like a server that does not answer.
    if (httpBlocked === 'all' || (httpBlocked === 'files' && question.url.includes('/boot/files/'))) throw new HttpSilence('no answer in time');
    this.counters.httpRequests += 1;
    let received = 0;
    try {
      return await new Promise<IncomingMessage>((resolve, reject) => {
        const method = question.method ?? 'GET';
        const sent = httpRequest(question.url, { method, headers, signal, agent: this.#agent, timeout: question.timeoutMs ?? DEFAULT_TIMEOUT_MS });
        sent.on('timeout', () => sent.destroy(new HttpSilence('no answer in time')));
        sent.on('error', reject);
        sent.on('response', (response) => {
          response.on('data', (chunk: Buffer) => {
            this.counters.httpBytes += chunk.length;
            received += chunk.length;
            if (received > httpDiesAfter) sent.destroy(new HttpSilence('cut off'));
            try {
              take(chunk);
            } catch (error) {
              sent.destroy(error instanceof Error ? error : new Error(String(error)));
            }
          });
          response.on('error', reject);
          response.on('end', () => (response.complete ? resolve(response) : reject(new HttpSilence('cut off'))));
        });
        sent.end(payload);
      });
    } catch (error) {
      signal.throwIfAborted();
      this.counters.httpFailures += 1;
      throw error instanceof HttpSilence ? error : new HttpSilence(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }
}
