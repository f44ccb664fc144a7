/**
 * The TFTP server: read only (RFC 1350, 2347, 2348, 2349, 7440), for boot loaders and their configuration; kernels go over
 * HTTP. It owns its listening sockets and its transfers, and must never write a file, follow a name out of its root, or let one
 * client or a forged address hold more than its share (attacks 1 to 5).
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { LiveTransfers, type LiveTransfer } from '../nodes/transfers.js';
import { printableText } from '../shared/bytes.js';
import { FileCache } from '../shared/file-cache.js';
import type { Logger } from '../shared/logger.js';
import { Admission } from './admission.js';
import type { Content } from './content.js';
import { bytesContent } from './content.js';
import { DataPackets } from './data-packets.js';
import { newCounters, type TftpCounters, type TftpEvent } from './events.js';
import { largestBlock, readLink, type TftpLink } from './mtu.js';
import { toNetascii } from './netascii.js';
import { agreeOptions, type TransferLimits } from './options.js';
import { encodeError, parseTftp, TFTP_ERROR, type Request } from './packet.js';
import { isConfigurationName, openSource, type OtherPlaces, type Source, type VirtualFiles } from './source.js';
import { Teller } from './teller.js';
import { Transfer, type TransferEnd } from './transfer.js';

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
};

const DEFAULT_LIMITS = {
  maxWindowBlocks: 64,
  /** Each holds a socket and a file. */
  maxTransfers: 400,
  maxTransfersPerAddress: 8,
};

/** Progress is told at most this often: a fast transfer has a start and an end. */
const PROGRESS_EVERY_MS = 500;
/** Netascii is for a terminal's text: it is converted in memory. */
const MAX_NETASCII_BYTES = 1024 * 1024;
/** A rack that is switched on asks at once. Bytes. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;

type Running = { transfer: Transfer; file: string };

/** One request and what answers it. */
type Asked = { request: Request; file: string; from: RemoteInfo; localAddress: string; maxBlockBytes: number; refuse: (code: number, message: string) => void };

export class TftpServer {
  readonly #options: TftpServerOptions;
  readonly #maxWindowBlocks: number;
  readonly #source: Source;
  readonly #admission: Admission;
  readonly #transfers: LiveTransfers;
  readonly #packets = new DataPackets();
  readonly #sockets: Socket[] = [];
  /** By the client's address and port. */
  readonly #running = new Map<string, Running>();
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
    this.#transfers = transfers ?? new LiveTransfers();
    this.#teller = new Teller(options);
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
    await Promise.all([...this.#running.values()].map(({ transfer }) => transfer.abort('aborted', 'the server stops')));
    for (const socket of this.#sockets) {
      await new Promise<void>((resolve) => {
        socket.close(resolve);
      }).catch(() => undefined);
    }
  }

  counters(): TftpCounters {
    return { ...this.#counters, active: this.#running.size };
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
    const before = this.#running.get(key);
    if (before !== undefined) {
      // The same request once more: its answer is under way, or will be repeated by its timer.
      if (!before.transfer.proven && before.file === file) return;
      // Old ROMs use one port for everything: a new request ends what was there.
      before.transfer.end('aborted', 'the client began anew');
    }
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
    if (this.#closed || this.#running.has(key)) {
      this.#admission.leave(from.address);
      content.close();
      return;
    }
    await this.#serve(key, asked, content);
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

  async #serve(key: string, { request, file, from, localAddress, maxBlockBytes }: Asked, content: Content): Promise<void> {
    const agreed = agreeOptions(request.options, content.sizeBytes, { maxBlockBytes, maxWindowBlocks: this.#maxWindowBlocks });
    const { blockBytes, windowBlocks } = agreed;
    const live = this.#transfers.begin({ protocol: 'tftp', address: from.address, file, sizeBytes: content.sizeBytes, blockBytes, windowBlocks });
    let toldAt = Date.now();
    const transfer: Transfer = new Transfer({
      client: { address: from.address, port: from.port },
      localAddress,
      content,
      agreed,
      packets: this.#packets,
      live,
      onProgress: (fraction) => {
        if (fraction === 1 || Date.now() - toldAt < PROGRESS_EVERY_MS) return;
        toldAt = Date.now();
        this.#teller.tell('tftp-progress', from.address, `${file} ${Math.floor(fraction * 100)} %`, { file }, live);
      },
      onEnd: (end) => this.#finished(key, transfer, live, end),
    });
    this.#running.set(key, { transfer, file });
    this.#counters.transfers += 1;
    this.#teller.tell('tftp-start', from.address, `${file}: ${content.sizeBytes} bytes, blocks of ${blockBytes}, window ${windowBlocks}`, { file }, live);
    await transfer.start();
  }

  #finished(key: string, transfer: Transfer, live: LiveTransfer, end: TransferEnd): void {
    if (this.#running.get(key)?.transfer === transfer) this.#running.delete(key);
    this.#admission.leave(live.address);
    this.#counters.bytes += end.bytes;
    this.#counters.retransmits += end.retransmits;
    const { bytes, retransmits, answered } = end;
    const facts = { file: live.file, bytes, retransmits, answered, silent: end.outcome === 'timeout' };
    if (end.outcome === 'probe') {
      this.#counters.probes += 1;
      this.#transfers.forget(live);
      this.#teller.tell('tftp-probe', live.address, `${live.file}: asked for its size alone`, facts, live);
      return;
    }
    this.#counters[end.outcome === 'timeout' ? 'timeouts' : end.outcome] += 1;
    const isDone = end.outcome === 'done';
    this.#transfers.end(live, end.outcome, isDone ? '' : end.reason);
    const repeats = retransmits === 0 ? '' : `, ${retransmits} sent again`;
    const detail = `${live.file}: ${isDone ? '' : `${end.reason} after `}${bytes} bytes${repeats}`;
    this.#teller.tell(isDone ? 'tftp-done' : 'tftp-failed', live.address, detail, facts, live);
  }

  #missing(file: string, requested: string, address: string, refuse: (code: number, message: string) => void): void {
    this.#counters.notFound += 1;
    refuse(TFTP_ERROR.fileNotFound, 'file not found');
    if (!isConfigurationName(requested)) this.#teller.missing(file, address);
  }
}
