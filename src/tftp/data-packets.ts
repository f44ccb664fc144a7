/**
 * DATA packets made in one buffer for the whole server: a datagram is copied by the kernel when it is sent, so the buffer is
 * free for the next one at once and a transfer of any size allocates nothing. What the kernel did not take yet keeps its buffer.
 */
import type { Content } from './content.js';
import { DATA_HEADER_BYTES, writeDataHeader } from './packet.js';

export class DataPackets {
  #buffer = Buffer.alloc(0);
  /** Of the length that was asked for last: the blocks of a file are all of one length but the last. */
  #packet = this.#buffer;

  /** The packet of a block, counted from 1 without end; undefined when the content must be loaded first. Overwritten by the next call. */
  make(content: Content, block: number, blockBytes: number): Buffer | undefined {
    const offset = (block - 1) * blockBytes;
    const bytes = Math.max(0, Math.min(blockBytes, content.sizeBytes - offset));
    if (this.#packet.length !== DATA_HEADER_BYTES + bytes) this.#resize(DATA_HEADER_BYTES + bytes);
    if (!content.copy(this.#packet, DATA_HEADER_BYTES, offset, bytes)) return undefined;
    writeDataHeader(this.#packet, 0, block);
    return this.#packet;
  }

  /** The last packet is still in use: the next one is made elsewhere. */
  giveAway(): void {
    this.#buffer = Buffer.alloc(0);
    this.#packet = this.#buffer;
  }

  #resize(length: number): void {
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafeSlow(length);
    this.#packet = this.#buffer.subarray(0, length);
  }
}
