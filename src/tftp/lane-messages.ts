/** What the server and the threads that carry its large files say to each other. */
import type { OpenFile } from '../shared/safe-path.js';
import type { Counts, Route, TransferEnd } from './carrier.js';

/** To the thread. `id` is of the server's making; the file's handle goes over with the message. */
export type LaneOrder =
  | { kind: 'start'; id: number; route: Route; file: OpenFile; counts: SharedArrayBuffer }
  | { kind: 'end'; id: number; outcome: TransferEnd['outcome']; reason: string }
  | { kind: 'abort'; id: number; outcome: 'aborted' | 'failed'; reason: string };

/** From the thread: it listens; how far a transfer is; that one has ended. */
export type LaneNews = { kind: 'ready' } | { kind: 'progress'; id: number; fraction: number } | { kind: 'ended'; id: number; end: TransferEnd };

/** Counts that one thread writes and another reads: eight aligned bytes each, of which nobody sees a half. */
export class SharedCounts implements Counts {
  readonly memory: SharedArrayBuffer;
  readonly #slots: Float64Array;

  constructor(memory = new SharedArrayBuffer(3 * Float64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#slots = new Float64Array(memory);
  }

  get bytes(): number {
    return this.#slots[0] ?? 0;
  }
  set bytes(value: number) {
    this.#slots[0] = value;
  }

  get retransmits(): number {
    return this.#slots[1] ?? 0;
  }
  set retransmits(value: number) {
    this.#slots[1] = value;
  }

  get answered(): boolean {
    return this.#slots[2] === 1;
  }
  set answered(value: boolean) {
    this.#slots[2] = value ? 1 : 0;
  }
}
