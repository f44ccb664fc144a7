/**
 * The TFTP server: reads loaders, nothing else. Owns its sockets and the number of transfers under way; what a packet
 * means is `request.ts`, how a file goes out is `transfer.ts`. It never writes, never leaves its root, and never lets one
 * client or a forger take all transfers.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Logger } from '../shared/logger.js';
import { openInside, type OpenFile } from '../shared/safe-path.js';
import { encodeError, ErrorCode, negotiate, parseReadRequest } from './request.js';
import { Transfer, type TransferEnd } from './transfer.js';

/** A step of a transfer, for the boot timeline of whoever holds the address. */
export type TftpEvent = { at: Date; address: string; kind: 'tftp-start' | 'tftp-progress' | 'tftp-done' | 'tftp-failed'; file: string; detail: string; bytes: number };

export type TftpCounters = { requests: number; done: number; sizeProbes: number; failed: number; refused: number; malformed: number; bytes: number; active: number };

export type TftpOptions = {
  /** Address to listen on; transfers answer from it too. */
  host: string;
  port: number;
  /** Directory of the files served. */
  root: string;
  log: Logger;
  /** Path MTU towards the clients, bytes. */
  mtuBytes?: number;
  onEvent?: (event: TftpEvent) => void;
};

const MAX_TRANSFERS = 2000;
const MAX_TRANSFERS_PER_ADDRESS = 16;
const ETHERNET_MTU = 1500;
const PROGRESS_STEPS = [0.4, 0.8];

export class TftpServer {
  private readonly socket: Socket;
  private readonly active = new Map<Transfer, string>();
  private readonly count: TftpCounters = { requests: 0, done: 0, sizeProbes: 0, failed: 0, refused: 0, malformed: 0, bytes: 0, active: 0 };

  constructor(private readonly options: TftpOptions) {
    this.socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  }

  /** Binds; rejects when the port is taken or refused. Returns the port, which may have been asked as 0. */
  async start(): Promise<{ port: number }> {
    this.socket.bind({ address: this.options.host, port: this.options.port, exclusive: true });
    await once(this.socket, 'listening');
    this.socket.on('message', (bytes, from) => void this.handle(bytes, from).catch((err: unknown) => this.options.log.warn({ err }, 'tftp request failed')));
    this.socket.on('error', (err) => this.options.log.warn({ err }, 'tftp socket error'));
    return { port: this.socket.address().port };
  }

  async close(): Promise<void> {
    for (const transfer of this.active.keys()) transfer.abort('the server is stopping');
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }

  counters(): TftpCounters {
    return { ...this.count, active: this.active.size };
  }

  private async handle(bytes: Buffer, from: RemoteInfo): Promise<void> {
    const request = parseReadRequest(bytes);
    if (!request.ok) {
      this.count.malformed += 1;
      // An ERROR is never answered, or two servers would talk for ever.
      if (bytes.length >= 2 && bytes.readUInt16BE(0) !== 5) this.refuse(from, request.error.code, request.error.text);
      return;
    }
    this.count.requests += 1;
    const { fileName, mode, options } = request.value;
    if (mode !== 'octet') return this.refuse(from, ErrorCode.illegalOperation, 'only mode octet is served');
    if (this.active.size >= MAX_TRANSFERS || this.countOf(from.address) >= MAX_TRANSFERS_PER_ADDRESS) return this.refuse(from, ErrorCode.undefined, 'too many transfers, try again');
    const file = await openInside(this.options.root, fileName);
    if (!file) {
      this.options.log.warn({ file: fileName, client: from.address, fix: 'npm run setup fetches the loaders' }, 'no such boot file');
      this.tell(from.address, 'tftp-failed', fileName, 'no such file', 0);
      return this.refuse(from, ErrorCode.notFound, 'file not found');
    }
    await this.transfer(file, fileName, options, from);
  }

  private async transfer(file: OpenFile, name: string, asked: ReadonlyMap<string, string>, client: RemoteInfo): Promise<void> {
    const socket = createSocket('udp4');
    let transfer: Transfer | undefined;
    try {
      const size = file.sizeBytes;
      socket.bind({ address: this.options.host, port: 0 });
      await once(socket, 'listening');
      const negotiated = negotiate(asked, { bytes: size }, { mtuBytes: this.options.mtuBytes ?? ETHERNET_MTU });
      const steps = PROGRESS_STEPS.map((part) => part * size);
      transfer = new Transfer({
        socket,
        client,
        file: file.handle,
        fileBytes: size,
        negotiated,
        onProgress: (bytes) => {
          while (steps[0] !== undefined && bytes >= steps[0] && bytes < size) this.tell(client.address, 'tftp-progress', name, `${Math.round((100 * (steps.shift() ?? 0)) / size)} %`, bytes);
        },
      });
      this.active.set(transfer, client.address);
      this.tell(client.address, 'tftp-start', name, `${size} bytes, blocks of ${negotiated.blockBytes}, window ${negotiated.windowBlocks}`, 0);
      this.record(await transfer.run(), name, client.address);
    } finally {
      if (transfer) this.active.delete(transfer);
      socket.close();
      await file.handle.close();
    }
  }

  private record(end: TransferEnd, name: string, address: string): void {
    this.count.bytes += end.bytes;
    if (end.kind === 'size-probe') this.count.sizeProbes += 1;
    else if (end.kind === 'done') this.count.done += 1;
    else this.count.failed += 1;
    if (end.kind !== 'size-probe') this.tell(address, end.kind === 'done' ? 'tftp-done' : 'tftp-failed', name, end.reason, end.bytes);
  }

  private refuse(to: RemoteInfo, code: number, text: string): void {
    this.count.refused += 1;
    this.socket.send(encodeError(code, text), to.port, to.address, () => undefined);
  }

  private countOf(address: string): number {
    let n = 0;
    for (const one of this.active.values()) if (one === address) n += 1;
    return n;
  }

  private tell(address: string, kind: TftpEvent['kind'], file: string, detail: string, bytes: number): void {
    this.options.onEvent?.({ at: new Date(), address, kind, file, detail, bytes });
  }
}
