/**
 * The TFTP server: read only (RFC 1350, 2347, 2348, 2349, 7440), for boot loaders and their configuration; kernels go over
 * HTTP. It owns its listening sockets and decides who is answered, and must never write a file, follow a name out of its root, or let one
 * client or a forged address hold more than its share (attacks 1 to 5).
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { LiveTransfers } from '../nodes/transfers.js';
import { printableText } from '../shared/bytes.js';
import { FileCache } from '../shared/file-cache.js';
import type { Logger } from '../shared/logger.js';
import { Admission } from './admission.js';
import type { Content } from './content.js';
import { bytesContent } from './content.js';
import { newCounters, type TftpCounters, type TftpEvent } from './events.js';
import { DEFAULT_THREADS, Lanes } from './lanes.js';
import { largestBlock, readLink, type TftpLink } from './mtu.js';
import { toNetascii } from './netascii.js';
import { agreeOptions, type TransferLimits } from './options.js';
import { encodeError, parseTftp, TFTP_ERROR, type Request } from './packet.js';
import { Sessions } from './sessions.js';
import { isConfigurationName, openSource, type OtherPlaces, type Source, type VirtualFiles } from './source.js';
import { Teller } from './teller.js';

export type TftpServerOptions = {
  /** Local addresses to listen on, one socket each, so that a reply comes from the address that was asked (netboot-rules 3). */
  addresses: readonly string[];
  /** 69, or a high port; 0 takes any free one. */
  port: number;
  /** Directory of the loaders. */
  root: string;
  log: Logger;
  /** Files that are rendered when they are asked for. */
  virtualFiles?: VirtualFiles;
  otherPlaces?: OtherPlaces;
  /** Shared with whoever else serves files; default: one of its own. */
  cache?: FileCache;
  /** Where running transfers are shown; default: nowhere else. */
  transfers?: LiveTransfers;
  onEvent?: (event: TftpEvent) => void;
  /** Whose address it is, for the timeline. */
  macOf?: (address: string) => Promise<string | null>;
  /** `maxBlockBytes` is that of the path to the client unless given: see mtu.ts. */
  limits?: Partial<TransferLimits & { maxTransfers: number; maxTransfersPerAddress: number }>;
  /** That carry large files; 0: the server carries everything itself. Default: the cores, four at most. */
  threads?: number;
};

const DEFAULT_LIMITS = {
  maxWindowBlocks: 64,
  /** Each holds a socket and a file. */
  maxTransfers: 400,
  maxTransfersPerAddress: 8,
};

/** Netascii is for a terminal's text: it is converted in memory. */
const MAX_NETASCII_BYTES = 1024 * 1024;
/** A rack that is switched on asks at once. Bytes. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;

/** One request and what answers it. */
type Asked = { request: Request; file: string; from: RemoteInfo; localAddress: string; maxBlockBytes: number; refuse: (code: number, message: string) => void };

export class TftpServer {
  readonly #options: TftpServerOptions;
  readonly #maxWindowBlocks: number;
  readonly #source: Source;
  readonly #admission: Admission;
  readonly #lanes: Lanes;
  readonly #sessions: Sessions;
  readonly #sockets: Socket[] = [];
  readonly #counters = newCounters();
  readonly #teller: Teller;
  #closed = false;

  constructor(options: TftpServerOptions) {
    const { root, virtualFiles, otherPlaces, cache, transfers } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
    this.#maxWindowBlocks = limits.maxWindowBlocks;
    this.#source = { root, cache: cache ?? new FileCache(), virtualFiles, otherPlaces };
    this.#admission = new Admission({ total: limits.maxTransfers, perAddress: limits.maxTransfersPerAddress });
    this.#teller = new Teller(options);
    this.#lanes = new Lanes({ threads: options.threads ?? DEFAULT_THREADS, log: options.log });
    this.#sessions = new Sessions({
      admission: this.#admission,
      lanes: this.#lanes,
      transfers: transfers ?? new LiveTransfers(),
      counters: this.#counters,
      teller: this.#teller,
    });
  }

  /** Binds every address; returns the port. Rejects when one cannot be bound, with nothing left open. */
  async start(): Promise<number> {
    let port = this.#options.port;
    try {
      for (const address of this.#options.addresses) {
        const link = await readLink(address);
        const socket = createSocket('udp4');
        this.#sockets.push(socket);
        socket.bind(port, address);
        await once(socket, 'listening');
        socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
        port = socket.address().port;
        socket.on('message', (bytes, from) => void this.#receive({ socket, address, link }, bytes, from));
        socket.on('error', (err) => this.#options.log.error({ err, address }, 'tftp socket failed'));
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    return port;
  }

  /** Stops listening and ends the transfers with a word to each client. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#sessions.abort('the server stops');
    await this.#lanes.close();
    for (const socket of this.#sockets) {
      await new Promise<void>((resolve) => {
        socket.close(resolve);
      }).catch(() => undefined);
    }
  }

  counters(): TftpCounters {
    return { ...this.#counters, active: this.#sessions.size, threads: this.#lanes.ready() };
  }

  /** Never rejects: a datagram is not worth a process. */
  async #receive(local: { socket: Socket; address: string; link: TftpLink }, bytes: Buffer, from: RemoteInfo): Promise<void> {
    const request = parseTftp(bytes);
    if (request === undefined || from.port === 0) {
      this.#counters.malformed += 1;
      return;
    }
    // An ACK or ERROR to the listening port belongs to no transfer.
    if (request.kind !== 'read' && request.kind !== 'write') return;
    this.#counters.requests += 1;
    const refuse = (code: number, message: string) => local.socket.send(encodeError(code, message), from.port, from.address, () => undefined);
    const file = printableText(Buffer.from(request.file, 'latin1'));
    const refusal =
      request.kind === 'write'
        ? 'this server is read only'
        : request.mode === 'octet' || request.mode === 'netascii'
          ? undefined
          : 'only modes octet and netascii are served';
    if (refusal !== undefined) {
      this.#counters.refused += 1;
      refuse(request.kind === 'write' ? TFTP_ERROR.accessViolation : TFTP_ERROR.illegalOperation, refusal);
      this.#teller.tell('tftp-refused', from.address, refusal, { file });
      return;
    }
    try {
      const maxBlockBytes = this.#options.limits?.maxBlockBytes ?? largestBlock(local.link, from.address);
      await this.#read({ request, file, from, localAddress: local.address, maxBlockBytes, refuse });
    } catch (err) {
      this.#counters.failed += 1;
      refuse(TFTP_ERROR.notDefined, 'not available now, ask again');
      this.#options.log.error({ err, file, address: from.address }, 'tftp request failed');
    }
  }

  async #read(asked: Asked): Promise<void> {
    const { file, from } = asked;
    const key = `${from.address} ${from.port}`;
    if (this.#sessions.isRepeated(key, file)) return;
    if (this.#closed || !this.#admission.enter(from.address)) {
      this.#counters.dropped += 1;
      return;
    }
    let content: Content | undefined;
    try {
      content = await this.#open(asked);
    } finally {
      if (content === undefined) this.#admission.leave(from.address);
    }
    if (content === undefined) return;
    if (this.#closed || this.#sessions.has(key)) {
      this.#admission.leave(from.address);
      content.close();
      return;
    }
    const agreed = agreeOptions(asked.request.options, content.sizeBytes, { maxBlockBytes: asked.maxBlockBytes, maxWindowBlocks: this.#maxWindowBlocks });
    await this.#sessions.begin(key, file, content, { client: { address: from.address, port: from.port }, localAddress: asked.localAddress, agreed });
  }

  /** The content in the mode that was asked for; undefined when there is none and the client has been told. */
  async #open({ request, file, from, localAddress, refuse }: Asked): Promise<Content | undefined> {
    const content = await openSource(this.#source, request.file, { address: from.address, localAddress });
    if (content === undefined) {
      this.#missing(file, request.file, from.address, refuse);
      return undefined;
    }
    if (request.mode === 'octet') return content;
    try {
      if (content.sizeBytes > MAX_NETASCII_BYTES) {
        this.#counters.refused += 1;
        refuse(TFTP_ERROR.illegalOperation, 'too large for netascii: ask for octet');
        return undefined;
      }
      const bytes = Buffer.alloc(content.sizeBytes);
      await content.load(0, bytes.length);
      content.copy(bytes, 0, 0, bytes.length);
      return bytesContent(toNetascii(bytes));
    } finally {
      content.close();
    }
  }

  #missing(file: string, requested: string, address: string, refuse: (code: number, message: string) => void): void {
    this.#counters.notFound += 1;
    refuse(TFTP_ERROR.fileNotFound, 'file not found');
    if (!isConfigurationName(requested)) this.#teller.missing(file, address);
  }
}
