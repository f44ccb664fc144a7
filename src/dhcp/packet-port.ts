/**
 * The packet descriptor of an interface: an AF_PACKET socket that the launcher opened, bound and filtered (ARP, datagrams to DHCP
 * clients, router solicitations), and that Node can only read and write as a file. Its reads do not wait, so no thread of
 * libuv is held: it is looked at every 100 ms, and every 5 ms while somebody waits for an answer.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { ConfigError } from '../shared/errors.js';
import { macBytes } from '../shared/mac.js';
import { errorCode } from './error-code.js';
import { parseFrame, type Frame } from './frames.js';

const IDLE_LOOK_MS = 100;
const EAGER_LOOK_MS = 5;
const FRAME_BYTES = 2048;
/** Frames read in one turn at most: a flood of ARP must not keep clients waiting. */
const FRAMES_A_LOOK = 256;

export class PacketPort {
  readonly interfaceName: string;
  readonly mac: Buffer;
  readonly #fd: number;
  readonly #listeners = new Set<(frame: Frame) => void>();
  readonly #buffer = Buffer.alloc(FRAME_BYTES);
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Takes over the descriptor. Throws ConfigError when the interface has no Ethernet address. */
  constructor(interfaceName: string, fd: number) {
    const mac = macBytes(networkInterfaces()[interfaceName]?.[0]?.mac ?? '');
    if (mac === undefined) throw new ConfigError(`interface ${interfaceName} has no Ethernet address`, 'name another interface to the launcher');
    this.interfaceName = interfaceName;
    this.mac = mac;
    this.#fd = fd;
    this.#schedule();
  }

  /** Sends one frame; false when the kernel does not take it now (its queue is full, the interface is down). */
  send(frame: Buffer): boolean {
    if (this.#isClosed) return false;
    try {
      return writeSync(this.#fd, frame) === frame.length;
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return false;
    }
  }

  /** Calls `listener` with every frame until the returned function is called. The frame's bytes are used again: copy them. */
  listen(listener: (frame: Frame) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Somebody waits for an answer: look more often until the returned function is called. */
  hurry(): () => void {
    this.#waiting += 1;
    if (this.#waiting === 1) this.#schedule();
    let isDone = false;
    return () => {
      if (!isDone) this.#waiting -= 1;
      isDone = true;
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    closeSync(this.#fd);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.#look(), this.#waiting > 0 ? EAGER_LOOK_MS : IDLE_LOOK_MS);
    this.#timer.unref();
  }

  #look(): void {
    for (let count = 0; count < FRAMES_A_LOOK; count += 1) {
      const length = this.#read();
      if (length === 0) break;
      const frame = parseFrame(this.#buffer.subarray(0, length));
      if (frame !== undefined) for (const listener of this.#listeners) listener(frame);
    }
    this.#schedule();
  }

  /** Bytes of the next frame, 0 when there is none: EAGAIN, or ENETDOWN while the interface is down. */
  #read(): number {
    try {
      return readSync(this.#fd, this.#buffer);
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return 0;
    }
  }
}
