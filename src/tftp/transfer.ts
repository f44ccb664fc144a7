/**
 * One transfer: its own socket (its port is the transfer id, RFC 1350 section 4), its file, its timer. Ends exactly once,
 * with the reason; afterwards nothing of it is left.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { OpenFile } from '../shared/safe-path.js';
import type { Agreed } from './options.js';
import { DATA_HEADER_BYTES, encodeError, encodeOptions, parseTftp, TFTP_ERROR, writeDataHeader } from './packet.js';
import { nextWindow, startWindow, takeAcknowledgement, type Window, type WindowStep } from './window.js';

export type TransferEnd = {
  /** `probe`: the client only wanted to know the size and said so with an ERROR after the OACK (netboot-rules 3). */
  outcome: 'done' | 'probe' | 'failed';
  reason: string;
  bytes: number;
  retransmits: number;
  /** The client answered at least once. */
  answered: boolean;
  /** Nothing more came from the client. */
  silent: boolean;
};

export type TransferOptions = {
  client: { address: string; port: number };
  /** The address the request was sent to: the answer comes from it. */
  localAddress: string;
  file: OpenFile;
  agreed: Agreed;
  onProgress: (fraction: number) => void;
  onEnd: (end: TransferEnd) => void;
};

/** Before the first ACK the client may be a forged address: one repeat, so that nobody is flooded in our name (attack 5). */
const MAX_SILENCES_UNPROVEN = 2;
const MAX_SILENCES = 6;
const MAX_TIMEOUT_MS = 8_000;
const MAX_STRANGER_ERRORS = 4;

export class Transfer {
  readonly #options: TransferOptions;
  readonly #window: Window;
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #silences = 0;
  #retransmits = 0;
  #strangers = 0;
  /** The client has acknowledged something: it is where it says it is. */
  #proven = false;
  #ended = false;
  #gaveUp = false;
  /** One read of the file at a time; a step that comes meanwhile is the newer one. */
  #sending = false;
  #pending: WindowStep | undefined;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#window = startWindow(options.file.sizeBytes, options.agreed.blockBytes, options.agreed.windowBlocks, options.agreed.granted.size > 0);
  }

  /** Whether the client has answered yet; a repeated request of one that has not is the same transfer. */
  get proven(): boolean {
    return this.#proven;
  }

  /** Opens the socket and sends the first packet. Rejects when there is no socket to be had; the file is closed then, too. */
  async start(): Promise<void> {
    const socket = createSocket('udp4');
    this.#socket = socket;
    socket.on('error', (error) => this.end('failed', error.message));
    socket.on('message', (bytes, from) => this.#receive(bytes, from));
    try {
      socket.bind(0, this.#options.localAddress);
      await once(socket, 'listening');
    } catch (error) {
      this.end('failed', error instanceof Error ? error.message : String(error));
      return;
    }
    if (this.#ended) return;
    this.#timer = setTimeout(() => this.#silent(), this.#timeoutMs());
    this.#first();
  }

  /** Ends the transfer; the first reason stands. */
  end(outcome: TransferEnd['outcome'], reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    // A read that is under way is done before the handle goes.
    if (!this.#sending) this.#closeFile();
    try {
      this.#socket?.close();
    } catch {
      // It never came to be bound.
    }
    const bytes = Math.min(this.#window.acknowledged * this.#options.agreed.blockBytes, this.#options.file.sizeBytes);
    this.#options.onEnd({ outcome, reason, bytes, retransmits: this.#retransmits, answered: this.#proven, silent: this.#gaveUp });
  }

  /** Ends with a word to the client, e.g. when the server stops; resolves when that is sent. */
  async abort(reason: string): Promise<void> {
    const { client } = this.#options;
    const socket = this.#socket;
    if (socket !== undefined && !this.#ended) {
      await new Promise<void>((resolve) => {
        socket.send(encodeError(TFTP_ERROR.notDefined, reason), client.port, client.address, () => resolve());
      });
    }
    this.end('failed', reason);
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    if (this.#ended) return;
    const { client } = this.#options;
    if (from.port !== client.port || from.address !== client.address) {
      // Not of this transfer, which goes on. RFC 1350 section 4.
      this.#strangers += 1;
      if (this.#strangers <= MAX_STRANGER_ERRORS)
        this.#socket?.send(encodeError(TFTP_ERROR.unknownTransfer, 'unknown transfer id'), from.port, from.address, () => undefined);
      return;
    }
    const packet = parseTftp(bytes);
    if (packet?.kind === 'error') {
      const probe = this.#window.acknowledged === 0 && this.#options.agreed.granted.has('tsize');
      this.end(probe ? 'probe' : 'failed', probe ? 'size probe' : `client error ${packet.code}: ${packet.message}`);
      return;
    }
    if (packet?.kind !== 'acknowledgement') return;
    const acknowledgedBefore = this.#window.acknowledged;
    const wasOpen = this.#window.open;
    const step = takeAcknowledgement(this.#window, packet.block);
    const progressed = this.#window.acknowledged > acknowledgedBefore || (!wasOpen && this.#window.open);
    if (progressed) {
      this.#proven = true;
      this.#silences = 0;
      this.#rearm();
      this.#options.onProgress(this.#window.acknowledged / this.#window.totalBlocks);
    } else if (step.kind === 'send') {
      this.#retransmits += 1;
    }
    this.#act(step);
  }

  #act(step: WindowStep): void {
    if (step.kind === 'done') this.end('done', 'complete');
    if (step.kind !== 'send') return;
    this.#pending = step;
    if (!this.#sending) void this.#sendPending();
  }

  async #sendPending(): Promise<void> {
    this.#sending = true;
    try {
      while (this.#pending !== undefined && !this.#ended) {
        const step = this.#pending;
        this.#pending = undefined;
        if (step.kind === 'send') await this.#sendBlocks(step.from, step.to);
      }
    } catch (error) {
      await this.abort(error instanceof Error ? error.message : String(error));
    } finally {
      this.#sending = false;
      if (this.#ended) this.#closeFile();
    }
  }

  /** Reads the blocks in one go and sends each as its own datagram. */
  async #sendBlocks(from: number, to: number): Promise<void> {
    const { file, agreed, client } = this.#options;
    const offset = (from - 1) * agreed.blockBytes;
    const length = Math.max(0, Math.min(to * agreed.blockBytes, file.sizeBytes) - offset);
    const content = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.handle.read(content, filled, length - filled, offset + filled);
      // A file that shrinks under us must not look complete to the client.
      if (bytesRead === 0) throw new Error('the file became shorter while it was read');
      filled += bytesRead;
    }
    for (let block = from; block <= to && !this.#ended; block += 1) {
      const start = (block - from) * agreed.blockBytes;
      const header = Buffer.allocUnsafe(DATA_HEADER_BYTES);
      writeDataHeader(header, 0, block);
      this.#socket?.send([header, content.subarray(start, start + agreed.blockBytes)], client.port, client.address, () => undefined);
    }
  }

  #first(): void {
    const { agreed, client } = this.#options;
    if (this.#window.open) this.#act(nextWindow(this.#window));
    else this.#socket?.send(encodeOptions(agreed.granted), client.port, client.address, () => undefined);
  }

  #silent(): void {
    this.#silences += 1;
    if (this.#silences >= (this.#proven ? MAX_SILENCES : MAX_SILENCES_UNPROVEN)) {
      this.#gaveUp = true;
      this.end('failed', this.#proven ? 'the client fell silent' : 'the client never answered');
      return;
    }
    this.#retransmits += 1;
    this.#window.repeated = false;
    this.#rearm();
    if (this.#window.open) this.#act(nextWindow(this.#window));
    else this.#first();
  }

  #rearm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#silent(), this.#timeoutMs());
  }

  /** Twice as long after each silence, so that a congested path is not made worse. */
  #timeoutMs(): number {
    return Math.min(this.#options.agreed.timeoutSeconds * 1_000 * 2 ** this.#silences, Math.max(MAX_TIMEOUT_MS, this.#options.agreed.timeoutSeconds * 1_000));
  }

  #closeFile(): void {
    // Closed once; a failure to close a file that was only read loses nothing.
    this.#options.file.handle.close().catch(() => undefined);
  }
}
