/**
 * Threads for large files, so that a rack that boots by TFTP has more than one core and DHCP is not kept waiting by it. WHERE
 * IT IS DECIDED WHICH THREAD CARRIES A TRANSFER: small files stay with the server; a large one goes to the thread that has
 * the fewest. They are started with the first large file, which does not wait for them.
 */
import { availableParallelism } from 'node:os';
import type { Logger } from '../shared/logger.js';
import type { Carrier, Counts, Listeners, Route } from './carrier.js';
import { FileContent, type Content } from './content.js';
import { DataPackets } from './data-packets.js';
import { Lane } from './lane.js';
import { SharedCounts } from './lane-messages.js';
import { Transfer } from './transfer.js';

/** A disk and a network are busy with fewer threads than a large machine has. */
const MAX_THREADS = 4;
/** What fits into a piece of the cache is sent sooner than it is handed over. Bytes. */
const LARGE_BYTES = 256 * 1024;

export const DEFAULT_THREADS = Math.min(availableParallelism(), MAX_THREADS);

export class Lanes {
  readonly #threads: number;
  readonly #log: Logger;
  readonly #packets = new DataPackets();
  #lanes: Lane[] = [];
  #isClosed = false;

  /** `threads`: 0 keeps everything with the server. */
  constructor(options: { threads: number; log: Logger }) {
    this.#threads = options.threads;
    this.#log = options.log;
  }

  /** Threads that carry now. */
  ready(): number {
    return this.#lanes.filter((lane) => lane.isReady()).length;
  }

  /** The carrier of one transfer, not started yet, and the counts that it writes. */
  take(content: Content, route: Route, listeners: Listeners): { carrier: Carrier; counts: Counts } {
    const lane = content instanceof FileContent && content.sizeBytes > LARGE_BYTES ? this.#pick() : undefined;
    if (lane !== undefined && content instanceof FileContent) {
      const counts = new SharedCounts();
      return { carrier: lane.carrier(route, content.handOver(), counts, listeners), counts };
    }
    const counts: Counts = { bytes: 0, retransmits: 0, answered: false };
    return { carrier: new Transfer({ ...route, ...listeners, content, packets: this.#packets, counts }), counts };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  #pick(): Lane | undefined {
    if (this.#lanes.length === 0 && !this.#isClosed) this.#lanes = Array.from({ length: this.#threads }, () => new Lane(this.#log));
    let least: Lane | undefined;
    for (const lane of this.#lanes) if (lane.isReady() && (least === undefined || lane.size < least.size)) least = lane;
    return least;
  }
}
