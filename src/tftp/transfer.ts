/**
 * One transfer: its own socket (its port is the transfer id, RFC 1350 section 4), its content, its timer. Ends exactly once,
 * with the reason; afterwards nothing of it is left. The socket is connected to the client, as tftpd-hpa's is: the kernel then
 * keeps strangers out, with an ICMP "port unreachable" instead of an ERROR packet, and a block costs a tenth less.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Carrier, Counts, Listeners, Route, TransferEnd } from './carrier.js';
import type { Content } from './content.js';
import type { DataPackets } from './data-packets.js';
import { acknowledgedBlock, encodeError, encodeOptions, parseTftp, TFTP_ERROR } from './packet.js';
import { isGivenUp, newPatience, noteProgress, noteSent, noteSilence, waitMs } from './patience.js';
import { nextWindow, startWindow, takeAcknowledgement, type Window, type WindowStep } from './window.js';

export type TransferOptions = Route & Listeners & { content: Content; packets: DataPackets; counts: Counts };

const PROGRESS_STEPS = 10;

/** Numeric addresses need no resolver; the default one costs more than the packet. */
const lookup = (address: string, _options: unknown, callback: (error: null, address: string, family: number) => void) => callback(null, address, 4);

export class Transfer implements Carrier {
  readonly #options: TransferOptions;
  readonly #window: Window;
  readonly #patience;
  #socket: Socket | undefined;
  /** Connected: what is sent goes to the client. */
  #ready = false;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #nextTold: number;
  /** A piece of the file is being read; a step that comes meanwhile is the newer one. */
  #loading = false;
  #pending: WindowStep | undefined;

  constructor(options: TransferOptions) {
    this.#options = options;
    const { content, agreed } = options;
    this.#window = startWindow(content.sizeBytes, agreed.blockBytes, agreed.windowBlocks, agreed.granted.size > 0);
    this.#patience = newPatience(agreed.timeoutSeconds * 1_000, agreed.granted.has('timeout'));
    this.#nextTold = this.#tenth();
  }

  async start(): Promise<void> {
    const socket = createSocket({ type: 'udp4', lookup });
    this.#socket = socket;
    // Of a connected socket it concerns one datagram, e.g. one that found the client's port closed: the timer repeats it.
    socket.on('error', () => undefined);
    socket.on('message', (bytes, from) => this.#receive(bytes, from));
    try {
      const { client, localAddress } = this.#options;
      const listening = once(socket, 'listening');
      socket.bind(0, localAddress);
      await listening;
      const connected = once(socket, 'connect');
      socket.connect(client.port, client.address);
      await connected;
    } catch (error) {
      this.end('failed', textOf(error));
      return;
    }
    if (this.#ended) return;
    this.#ready = true;
    this.#first();
    this.#timer = setTimeout(() => this.#wake(), waitMs(this.#patience));
  }

  end(outcome: TransferEnd['outcome'], reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#options.content.close();
    try {
      this.#socket?.close();
    } catch {
      // It never came to be bound.
    }
    const { bytes, retransmits, answered } = this.#options.counts;
    this.#options.onEnd({ outcome, reason, bytes, retransmits, answered });
  }

  async abort(outcome: 'aborted' | 'failed', reason: string): Promise<void> {
    const socket = this.#socket;
    if (socket !== undefined && this.#ready && !this.#ended) {
      await new Promise<void>((resolve) => {
        socket.send(encodeError(TFTP_ERROR.notDefined, reason), () => resolve());
      });
    }
    this.end(outcome, reason);
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    const { client, counts, agreed, content } = this.#options;
    // A stranger's may have come before the socket was connected. RFC 1350 section 4: it does not disturb the transfer.
    if (this.#ended || from.port !== client.port || from.address !== client.address) return;
    const block = acknowledgedBlock(bytes);
    if (block === undefined) return this.#takeError(bytes);
    const now = performance.now();
    const acknowledgedBefore = this.#window.acknowledged;
    const wasOpen = this.#window.open;
    const step = takeAcknowledgement(this.#window, block);
    if (this.#window.acknowledged > acknowledgedBefore || (!wasOpen && this.#window.open)) {
      noteProgress(this.#patience, now);
      counts.answered = true;
      counts.bytes = Math.min(this.#window.acknowledged * agreed.blockBytes, content.sizeBytes);
      if (this.#window.acknowledged >= this.#nextTold) this.#tellProgress();
    } else if (step.kind === 'send') {
      counts.retransmits += 1;
    }
    this.#act(step, now);
  }

  #takeError(bytes: Buffer): void {
    const packet = parseTftp(bytes);
    if (packet?.kind !== 'error') return;
    const isProbe = this.#window.acknowledged === 0 && this.#options.agreed.granted.has('tsize');
    this.end(isProbe ? 'probe' : 'aborted', isProbe ? 'size probe' : `client error ${packet.code}: ${packet.message}`);
  }

  #act(step: WindowStep, now: number): void {
    if (step.kind === 'done') this.end('done', 'complete');
    if (step.kind !== 'send') return;
    if (this.#loading) this.#pending = step;
    else this.#sendBlocks(step.from, step.to, now);
  }

  #sendBlocks(from: number, to: number, now: number): void {
    const { packets, content, agreed } = this.#options;
    const socket = this.#socket;
    if (socket === undefined) return;
    for (let block = from; block <= to; block += 1) {
      const packet = packets.make(content, block, agreed.blockBytes);
      if (packet === undefined) {
        void this.#loadAndGoOn(block, to);
        return;
      }
      // What the kernel refuses is as good as lost on the way: the timer repeats it.
      socket.send(packet);
      if (socket.getSendQueueCount() > 0) packets.giveAway();
    }
    noteSent(this.#patience, now);
  }

  async #loadAndGoOn(block: number, to: number): Promise<void> {
    const { content, agreed } = this.#options;
    this.#loading = true;
    try {
      const offset = (block - 1) * agreed.blockBytes;
      await content.load(offset, Math.min(agreed.blockBytes, content.sizeBytes - offset));
    } catch (error) {
      await this.abort('failed', textOf(error));
    }
    this.#loading = false;
    if (this.#ended) return;
    const step = this.#pending ?? { kind: 'send', from: block, to };
    this.#pending = undefined;
    this.#act(step, performance.now());
  }

  #first(): void {
    const now = performance.now();
    if (this.#window.open) return this.#act(nextWindow(this.#window), now);
    // What is refused is as good as lost here too.
    this.#socket?.send(encodeOptions(this.#options.agreed.granted));
    noteSent(this.#patience, now);
  }

  /** The timer is not moved with each packet, which would cost more than the packet: it looks how long the silence really is. */
  #wake(): void {
    const leftMs = waitMs(this.#patience, performance.now());
    if (leftMs <= 0) {
      if (isGivenUp(this.#patience)) {
        this.end('timeout', this.#options.counts.answered ? 'the client fell silent' : 'the client never answered');
        return;
      }
      noteSilence(this.#patience, performance.now());
      // A file that is slow to read is no silence of the client's.
      if (!this.#loading) {
        this.#options.counts.retransmits += 1;
        this.#window.repeated = false;
        this.#first();
      }
    }
    this.#timer = setTimeout(() => this.#wake(), Math.max(1, waitMs(this.#patience, performance.now())));
  }

  #tenth(): number {
    return this.#window.acknowledged + Math.ceil(this.#window.totalBlocks / PROGRESS_STEPS);
  }

  #tellProgress(): void {
    this.#nextTold = this.#tenth();
    this.#options.onProgress(this.#window.acknowledged / this.#window.totalBlocks);
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
