/** A session with the OMAPI port of an ISC dhcpd: connected, signed in, one question at a time. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { TimeoutError, UpstreamError } from '../../shared/errors.js';
import { decodeOmapi, encodeOmapi, OMAPI_GREETING, OmapiOperation, type OmapiKey, type OmapiMessage, type OmapiPairs } from './message.js';

const ANSWER_TIMEOUT_MS = 10_000;
/** How long dhcpd may take for the first signed question, which is about nothing. */
const KEY_TIMEOUT_MS = 3_000;
const ALGORITHM = 'hmac-md5.SIG-ALG.REG.INT.';

export type OmapiServer = { address: string; port: number; keyName: string; secret: Buffer };

/** ISC_R_NOTFOUND of `isc/result.h`. */
export const OMAPI_NOT_FOUND = 23;

/** A refusal of dhcpd: `result` is its isc_result code. */
export class OmapiRefusal extends UpstreamError {
  constructor(
    readonly result: number,
    text: string,
  ) {
    super(`dhcpd refuses over OMAPI: ${text} (${result})`);
  }
}

export class OmapiSession {
  #received = Buffer.alloc(0);
  #key: OmapiKey | null = null;
  #nextId = 1;
  #failed: Error | undefined;
  #wake: (() => void) | undefined;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake?.();
    });
    socket.on('error', (error) => this.#fail(new UpstreamError(`dhcpd's OMAPI port: ${error.message}`, { cause: error })));
    // dhcpd closes without a word when the key is wrong or unknown.
    socket.on('close', () =>
      this.#fail(new UpstreamError('dhcpd closed the OMAPI connection: key_name, or the secret in key_file, is not the one of its omapi-key')),
    );
  }

  /** Connects and signs in. Throws UpstreamError: no such port, or a key it does not take. */
  static async open(server: OmapiServer): Promise<OmapiSession> {
    const socket = connect({ host: server.address, port: server.port, timeout: ANSWER_TIMEOUT_MS });
    await once(socket, 'connect', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }).catch((cause: unknown) => {
      socket.destroy();
      throw new UpstreamError(`dhcpd's OMAPI port ${server.address}:${server.port} does not answer: is omapi-port set, and dhcpd running?`, { cause });
    });
    const session = new OmapiSession(socket);
    try {
      await session.#signIn(server);
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.#failed === undefined;
  }

  close(): void {
    this.socket.destroy();
  }

  /** Sends a message and waits for its answer. Throws OmapiRefusal when the answer is a status other than success. */
  async ask(words: { operation: number; handle?: number; message?: OmapiPairs; object?: OmapiPairs }, timeoutMs = ANSWER_TIMEOUT_MS): Promise<OmapiMessage> {
    const id = this.#nextId++;
    const asked: OmapiMessage = { handle: 0, message: new Map(), object: new Map(), ...words, id, answers: 0 };
    if (this.#failed !== undefined) throw this.#failed;
    this.socket.write(encodeOmapi(asked, this.#key));
    const answer = await this.#receive(() => this.#takeAnswer(id), timeoutMs);
    if (answer.operation === OmapiOperation.status) {
      const result = answer.message.get('result')?.readUInt32BE(0) ?? 1;
      if (result !== 0) throw new OmapiRefusal(result, answer.message.get('message')?.toString('latin1') ?? 'no reason given');
    }
    return answer;
  }

  async #signIn(server: OmapiServer): Promise<void> {
    this.socket.write(OMAPI_GREETING);
    await this.#receive(() => {
      if (this.#received.length < OMAPI_GREETING.length) return undefined;
      if (!this.#received.subarray(0, 8).equals(OMAPI_GREETING)) throw new UpstreamError('what answers on the OMAPI port is not dhcpd');
      this.#received = this.#received.subarray(8);
      return true;
    });
    const answer = await this.ask({
      operation: OmapiOperation.open,
      message: new Map([['type', Buffer.from('authenticator')]]),
      object: new Map([
        ['name', Buffer.from(server.keyName)],
        ['algorithm', Buffer.from(ALGORITHM)],
      ]),
    });
    this.#key = { id: answer.handle, secret: server.secret };
    await this.#proveKey();
  }

  /** dhcpd does not refuse a wrong signature: it says nothing for ever (seen with 4.4.3). So a question comes first that costs nothing. */
  async #proveKey(): Promise<void> {
    const question = {
      operation: OmapiOperation.open,
      message: new Map([['type', Buffer.from('host')]]),
      object: new Map([['name', Buffer.from('prybar-nothing')]]),
    };
    await this.ask(question, KEY_TIMEOUT_MS).catch((cause: unknown) => {
      if (cause instanceof OmapiRefusal && cause.result === OMAPI_NOT_FOUND) return;
      throw new UpstreamError('dhcpd does not take our signature over OMAPI: key_name, or the secret in key_file, is not the one of its omapi-key', { cause });
    });
  }

  #takeAnswer(id: number): OmapiMessage | undefined {
    for (;;) {
      const decoded = decodeOmapi(this.#received, this.#key);
      if (decoded.kind === 'bad') throw new UpstreamError(`dhcpd's OMAPI port answers what cannot be read: ${decoded.reason}`);
      if (decoded.kind === 'more') return undefined;
      this.#received = this.#received.subarray(decoded.bytes);
      if (decoded.message.answers === id) return decoded.message;
    }
  }

  async #receive<T>(take: () => T | undefined, timeoutMs = ANSWER_TIMEOUT_MS): Promise<T> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake?.();
    }, timeoutMs);
    try {
      for (;;) {
        const taken = take();
        if (taken !== undefined) return taken;
        if (this.#failed !== undefined) throw this.#failed;
        if (isLate) throw new TimeoutError(`dhcpd did not answer over OMAPI in ${timeoutMs / 1000} s`);
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } catch (error) {
      // Half an answer may be on its way: this connection is of no use any more.
      if (!(error instanceof OmapiRefusal)) this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#wake = undefined;
    }
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    this.#wake?.();
  }
}
