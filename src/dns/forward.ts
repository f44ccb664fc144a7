/**
 * Questions about the rest of the world, asked of the servers that the operator named, one after the other. A socket with a
 * port of its own and an id of its own for each question: an answer that does not come from the server asked, with that id and
 * that question, is no answer (RFC 5452 section 9).
 */
import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { HEADER_BYTES } from './codes.js';
import type { Query } from './query.js';
import type { AddressPort } from '../shared/ipv4.js';

/** Questions under way at once; over it the client is told to come again. */
const MAX_UNDER_WAY = 256;
const TIMEOUT_MS = 2_000;

export class Forwarder {
  readonly #upstreams: readonly AddressPort[];
  readonly #timeoutMs: number;
  readonly #underWay = new Set<() => void>();

  constructor(upstreams: readonly AddressPort[], timeoutMs = TIMEOUT_MS) {
    this.#upstreams = upstreams;
    this.#timeoutMs = timeoutMs;
  }

  get isConfigured(): boolean {
    return this.#upstreams.length > 0;
  }

  /** The answer with the client's id, or undefined when nobody answered in time: SERVFAIL. Never rejects. */
  async ask(request: Buffer, query: Query, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    for (const upstream of this.#upstreams) {
      if (this.#underWay.size >= MAX_UNDER_WAY) return undefined;
      const sent = Buffer.from(request);
      sent.writeUInt16BE(randomInt(0x10000), 0);
      const answer = transport === 'udp' ? await this.#askByUdp(sent, query, upstream) : await this.#askByTcp(sent, query, upstream);
      if (answer === undefined) continue;
      answer.writeUInt16BE(query.id, 0);
      return answer;
    }
    return undefined;
  }

  /** Ends what is under way; its askers get undefined. */
  close(): void {
    for (const end of this.#underWay) end();
  }

  #askByUdp(sent: Buffer, query: Query, upstream: AddressPort): Promise<Buffer | undefined> {
    return this.#once((settle) => {
      const socket = createSocket('udp4');
      socket.on('message', (bytes: Buffer) => {
        if (isAnswer(sent, bytes, query)) settle(Buffer.from(bytes));
      });
      socket.on('error', () => settle(undefined));
      // Connected: the kernel lets nobody else in, and says at once when nobody listens there.
      socket.connect(upstream.port, upstream.address, () => {
        socket.send(sent, (error) => {
          if (error !== null) settle(undefined);
        });
      });
      return () => socket.close();
    });
  }

  #askByTcp(sent: Buffer, query: Query, upstream: AddressPort): Promise<Buffer | undefined> {
    return this.#once((settle) => {
      const socket = connect(upstream.port, upstream.address);
      let heard = Buffer.alloc(0);
      socket.on('connect', () => socket.write(Buffer.concat([Buffer.from([sent.length >>> 8, sent.length & 255]), sent])));
      socket.on('data', (chunk: Buffer) => {
        heard = Buffer.concat([heard, chunk]);
        const size = heard.length < 2 ? Number.POSITIVE_INFINITY : heard.readUInt16BE(0);
        if (heard.length < size + 2) return;
        const answer = Buffer.from(heard.subarray(2, size + 2));
        settle(isAnswer(sent, answer, query) ? answer : undefined);
      });
      socket.on('error', () => settle(undefined));
      socket.on('end', () => settle(undefined));
      return () => socket.destroy();
    });
  }

  /** `start` begins and returns how to end; it settles in a later turn. */
  #once(start: (settle: (answer: Buffer | undefined) => void) => () => void): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
      const settle = (answer: Buffer | undefined) => {
        if (!this.#underWay.delete(end)) return;
        clearTimeout(timer);
        stop();
        resolve(answer);
      };
      const end = () => settle(undefined);
      const timer = setTimeout(end, this.#timeoutMs);
      this.#underWay.add(end);
      const stop = start(settle);
    });
  }
}

/** Same id, a response, and our question in it, byte for byte. */
function isAnswer(sent: Buffer, answer: Buffer, query: Query): boolean {
  return (
    answer.length >= query.questionEnd &&
    answer.readUInt16BE(0) === sent.readUInt16BE(0) &&
    ((answer[2] ?? 0) & 0x80) !== 0 &&
    answer.subarray(HEADER_BYTES, query.questionEnd).equals(sent.subarray(HEADER_BYTES, query.questionEnd))
  );
}
