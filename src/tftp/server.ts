/**
 * The TFTP server: read only (RFC 1350, 2347, 2348, 2349, 7440), for boot loaders; kernels go over HTTP. It owns its
 * listening sockets and its transfers, and must never write a file, follow a name out of its root, or let one client or a
 * forged address hold more than its share (attacks 1 to 5).
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { printableText } from '../shared/bytes.js';
import type { Logger } from '../shared/logger.js';
import { newCounters, type TftpCounters, type TftpEvent, type TftpEventKind, type TftpFacts } from './events.js';
import { agreeOptions, type TransferLimits } from './options.js';
import { encodeError, parseTftp, TFTP_ERROR, type Request } from './packet.js';
import { openSource } from './source.js';
import { Transfer, type TransferEnd } from './transfer.js';

export type TftpServerOptions = {
  /** Local addresses to listen on, one socket each, so that a reply comes from the address that was asked (netboot-rules 3). */
  addresses: readonly string[];
  /** 69, or a high port; 0 takes any free one. */
  port: number;
  /** Directory of the loaders. */
  root: string;
  log: Logger;
  onEvent?: (event: TftpEvent) => void;
  /** Whose address it is, for the timeline. */
  macOf?: (address: string) => Promise<string | null>;
  limits?: Partial<TransferLimits & { maxTransfers: number; maxTransfersPerAddress: number }>;
};

const DEFAULT_LIMITS = {
  /** Ethernet's 1500 less IP, UDP and TFTP headers. */
  maxBlockBytes: 1_468,
  maxWindowBlocks: 64,
  /** Each holds a socket and a file: below the usual limit of 1024 descriptors. */
  maxTransfers: 400,
  maxTransfersPerAddress: 8,
};

/** Progress is told at most this often: loaders are small, a fast transfer has a start and an end. */
const PROGRESS_EVERY_MS = 1_000;

type Running = { transfer: Transfer; file: string; address: string };

export class TftpServer {
  readonly #options: TftpServerOptions;
  readonly #limits: typeof DEFAULT_LIMITS;
  readonly #sockets: Socket[] = [];
  /** By the client's address and port. */
  readonly #running = new Map<string, Running>();
  readonly #perAddress = new Map<string, number>();
  /** Transfers that run or are about to. */
  #total = 0;
  readonly #counters = newCounters();
  readonly #warned = new Set<string>();
  #closed = false;

  constructor(options: TftpServerOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
  }

  /** Binds every address; returns the port. Rejects when one cannot be bound, with nothing left open. */
  async start(): Promise<number> {
    let port = this.#options.port;
    try {
      for (const address of this.#options.addresses) {
        const socket = createSocket('udp4');
        this.#sockets.push(socket);
        socket.bind(port, address);
        await once(socket, 'listening');
        port = socket.address().port;
        socket.on('message', (bytes, from) => void this.#receive(socket, address, bytes, from));
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
    await Promise.all([...this.#running.values()].map(({ transfer }) => transfer.abort('the server stops')));
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
  async #receive(socket: Socket, localAddress: string, bytes: Buffer, from: RemoteInfo): Promise<void> {
    const packet = parseTftp(bytes);
    if (packet === undefined || from.port === 0) {
      this.#counters.malformed += 1;
      return;
    }
    // An ACK or ERROR to the listening port belongs to no transfer.
    if (packet.kind !== 'read' && packet.kind !== 'write') return;
    this.#counters.requests += 1;
    const refuse = (code: number, message: string) => socket.send(encodeError(code, message), from.port, from.address, () => undefined);
    const file = printableText(Buffer.from(packet.file, 'latin1'));
    if (packet.kind === 'write') {
      this.#counters.refused += 1;
      refuse(TFTP_ERROR.accessViolation, 'this server is read only');
      void this.#tell('tftp-refused', from.address, 'a write was refused', { file });
      return;
    }
    if (packet.mode !== 'octet') {
      this.#counters.refused += 1;
      refuse(TFTP_ERROR.illegalOperation, 'only mode octet is served');
      void this.#tell('tftp-refused', from.address, 'only mode octet is served', { file });
      return;
    }
    try {
      await this.#read(packet, file, localAddress, from, refuse);
    } catch (err) {
      this.#counters.failed += 1;
      this.#options.log.error({ err, file, address: from.address }, 'tftp request failed');
    }
  }

  async #read(request: Request, file: string, localAddress: string, from: RemoteInfo, refuse: (code: number, message: string) => void): Promise<void> {
    const key = `${from.address} ${from.port}`;
    const before = this.#running.get(key);
    if (before !== undefined) {
      // The same request once more: its answer is under way, or will be repeated by its timer.
      if (!before.transfer.proven && before.file === file) return;
      // Old ROMs use one port for everything: a new request ends what was there.
      before.transfer.end('failed', 'the client began anew');
    }
    if (this.#isFull(from.address)) {
      this.#counters.dropped += 1;
      return;
    }
    this.#count(from.address, 1);
    const opened = await openSource(this.#options.root, request.file);
    if (opened === undefined || this.#closed || this.#running.has(key)) {
      this.#count(from.address, -1);
      await opened?.handle.close();
      if (opened === undefined) this.#missing(file, from.address, refuse);
      return;
    }
    const agreed = agreeOptions(request.options, opened.sizeBytes, this.#limits);
    const facts = { file, size: opened.sizeBytes, block_bytes: agreed.blockBytes, window_blocks: agreed.windowBlocks };
    let toldAt = Date.now();
    const transfer = new Transfer({
      client: { address: from.address, port: from.port },
      localAddress,
      file: opened,
      agreed,
      onProgress: (fraction) => {
        if (Date.now() - toldAt < PROGRESS_EVERY_MS || fraction === 1) return;
        toldAt = Date.now();
        void this.#tell('tftp-progress', from.address, `${file} ${Math.round(fraction * 100)} %`, facts);
      },
      onEnd: (end) => this.#finished(key, transfer, facts, from.address, end),
    });
    this.#running.set(key, { transfer, file, address: from.address });
    this.#counters.transfers += 1;
    void this.#tell('tftp-start', from.address, `${file}: ${opened.sizeBytes} bytes, blocks of ${agreed.blockBytes}, window ${agreed.windowBlocks}`, facts);
    await transfer.start();
  }

  #isFull(address: string): boolean {
    return this.#closed || this.#total >= this.#limits.maxTransfers || (this.#perAddress.get(address) ?? 0) >= this.#limits.maxTransfersPerAddress;
  }

  #count(address: string, change: number): void {
    this.#total += change;
    const count = (this.#perAddress.get(address) ?? 0) + change;
    if (count <= 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, count);
  }

  #finished(key: string, transfer: Transfer, about: TftpFacts, address: string, end: TransferEnd): void {
    if (this.#running.get(key)?.transfer === transfer) this.#running.delete(key);
    this.#count(address, -1);
    this.#counters.bytes += end.bytes;
    this.#counters.retransmits += end.retransmits;
    const { bytes, retransmits, answered, silent } = end;
    const facts = { ...about, bytes, retransmits, answered, silent };
    if (end.outcome === 'probe') {
      this.#counters.probes += 1;
      void this.#tell('tftp-probe', address, `${about.file}: asked for its size alone`, facts);
      return;
    }
    this.#counters[end.outcome] += 1;
    if (end.outcome === 'done') void this.#tell('tftp-done', address, `${about.file}: ${bytes} bytes`, facts);
    else void this.#tell('tftp-failed', address, `${about.file}: ${end.reason} after ${bytes} bytes`, facts);
  }

  #missing(file: string, address: string, refuse: (code: number, message: string) => void): void {
    this.#counters.notFound += 1;
    refuse(TFTP_ERROR.fileNotFound, 'file not found');
    void this.#tell('tftp-missing', address, `no such file: ${file}`, { file });
    // Once per name, bounded: a scanner must not fill the log.
    if (this.#warned.has(file) || this.#warned.size >= 100) return;
    this.#warned.add(file);
    this.#options.log.warn({ file, address, fix: 'npm run setup' }, 'loader is missing: run npm run setup');
  }

  async #tell(kind: TftpEventKind, address: string, detail: string, facts: TftpFacts): Promise<void> {
    if (this.#options.onEvent === undefined) return;
    const at = new Date();
    const mac = (await this.#options.macOf?.(address)) ?? null;
    this.#options.onEvent({ at, mac, address, kind, phase: kind === 'tftp-refused' ? null : 'tftp', file: facts.file, detail, facts });
  }
}
