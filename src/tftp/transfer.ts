/**
 * One file to one client, from a socket of its own (its transfer identifier, RFC 1350 section 4). Blocks go out in
 * windows (RFC 7440); an ACK inside the window moves it, any other is ignored, so a duplicated ACK sends nothing twice
 * (the sorcerer's apprentice). Until the first ACK little is sent again: the source address may be forged.
 */
import type { Socket } from 'node:dgram';
import type { FileHandle } from 'node:fs/promises';
import { encodeData, encodeError, encodeOptionAck, ErrorCode, Opcode, parseAck, type Negotiated } from './request.js';

export type TransferEnd = { kind: 'done' | 'size-probe' | 'failed'; reason: string; bytes: number };

export type TransferOptions = {
  socket: Socket;
  client: { address: string; port: number };
  file: FileHandle;
  fileBytes: number;
  negotiated: Negotiated;
  onProgress(bytes: number): void;
};

const TRIES_BEFORE_FIRST_ACK = 3;
const TRIES = 6;

export class Transfer {
  private readonly blocks: number;
  /** Last block the client has; 0 is the OACK. -1 until the first ACK when there is an OACK. */
  private acknowledged: number;
  private tries = 0;
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  private sendAgain = false;
  private finish: ((end: TransferEnd) => void) | undefined;

  constructor(private readonly options: TransferOptions) {
    // A file whose length is a multiple of the block ends with an empty block.
    this.blocks = Math.floor(options.fileBytes / options.negotiated.blockBytes) + 1;
    this.acknowledged = options.negotiated.acknowledged.length > 0 ? -1 : 0;
  }

  /** Sends until the client has everything, gives up or says no. Closes nothing. */
  run(): Promise<TransferEnd> {
    return new Promise((resolve) => {
      this.finish = resolve;
      this.options.socket.on('message', (bytes, from) => this.receive(bytes, from));
      this.options.socket.on('error', (error) => this.end('failed', error.message));
      this.send();
    });
  }

  /** Ends the transfer from outside. */
  abort(reason: string): void {
    this.reply(encodeError(ErrorCode.undefined, reason));
    this.end('failed', reason);
  }

  private receive(bytes: Buffer, from: { address: string; port: number }): void {
    const { client, socket } = this.options;
    if (from.port !== client.port || from.address !== client.address) {
      socket.send(encodeError(ErrorCode.unknownTransfer, 'unknown transfer'), from.port, from.address, () => undefined);
      return;
    }
    if (bytes.length >= 4 && bytes.readUInt16BE(0) === Opcode.ERROR) {
      // Firmware asks for the size first and says ERROR to our OACK: that is no failure (netboot-rules 3).
      const probe = this.acknowledged <= 0;
      const text = bytes.subarray(4).toString('latin1').replace(/[^\x20-\x7e]/g, '').slice(0, 100);
      this.end(probe ? 'size-probe' : 'failed', probe ? 'only asked for the size' : `client said: ${text || 'error'}`);
      return;
    }
    const ack = parseAck(bytes);
    if (ack === null) return;
    const block = this.absolute(ack);
    if (block === null) return;
    this.acknowledged = block;
    this.tries = 0;
    this.options.onProgress(this.bytesDone());
    if (block >= this.blocks) this.end('done', 'complete');
    else this.send();
  }

  /** The block an ACK's 16 bits mean: one after the last acknowledged, within the window. Null for old and impossible ones. */
  private absolute(ack: number): number | null {
    const highest = Math.min(this.blocks, Math.max(0, this.acknowledged) + this.options.negotiated.windowBlocks);
    if (this.acknowledged < 0) return ack === 0 ? 0 : null;
    const ahead = (ack - (this.acknowledged & 0xffff) + 0x1_0000) & 0xffff;
    const block = this.acknowledged + ahead;
    return ahead >= 1 && block <= highest ? block : null;
  }

  private send(): void {
    if (this.sending) {
      this.sendAgain = true;
      return;
    }
    this.sending = this.sendWindow()
      .catch((error: unknown) => this.abort(error instanceof Error ? error.message : 'cannot read the file'))
      .finally(() => {
        this.sending = undefined;
        if (!this.sendAgain) return;
        this.sendAgain = false;
        this.send();
      });
  }

  private async sendWindow(): Promise<void> {
    this.arm();
    const { negotiated, file } = this.options;
    if (this.acknowledged < 0) {
      this.reply(encodeOptionAck(negotiated.acknowledged));
      return;
    }
    const first = this.acknowledged + 1;
    const last = Math.min(this.blocks, this.acknowledged + negotiated.windowBlocks);
    const data = Buffer.allocUnsafe((last - first + 1) * negotiated.blockBytes);
    const { bytesRead } = await file.read(data, 0, data.length, (first - 1) * negotiated.blockBytes);
    for (let block = first; block <= last; block++) {
      const from = (block - first) * negotiated.blockBytes;
      this.reply(encodeData(block, data.subarray(Math.min(from, bytesRead), Math.min(from + negotiated.blockBytes, bytesRead))));
    }
  }

  private arm(): void {
    clearTimeout(this.timer);
    if (!this.finish) return;
    this.timer = setTimeout(() => {
      this.tries += 1;
      if (this.tries >= (this.acknowledged <= 0 ? TRIES_BEFORE_FIRST_ACK : TRIES)) this.end('failed', `no acknowledgement after block ${Math.max(0, this.acknowledged)} of ${this.blocks}`);
      else this.send();
    }, this.options.negotiated.timeoutMs);
  }

  private reply(packet: Buffer): void {
    if (!this.finish) return;
    const { socket, client } = this.options;
    socket.send(packet, client.port, client.address, () => undefined);
  }

  private bytesDone(): number {
    return Math.min(this.options.fileBytes, Math.max(0, this.acknowledged) * this.options.negotiated.blockBytes);
  }

  private end(kind: TransferEnd['kind'], reason: string): void {
    clearTimeout(this.timer);
    const finish = this.finish;
    this.finish = undefined;
    finish?.({ kind, reason, bytes: this.bytesDone() });
  }
}
