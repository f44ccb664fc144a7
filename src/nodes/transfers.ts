/**
 * The transfers of one server process, as they run: TFTP and boot HTTP begin and end them here and write their progress into
 * the row itself, which costs nothing; `transfer-report.ts` shows them to everybody else through the database.
 */

export type TransferState = 'running' | 'done' | 'timeout' | 'aborted' | 'failed';

/** What moves while a transfer runs. */
export type TransferCounts = { bytes: number; retransmits: number };

/** Times are of the wall clock. */
export type LiveTransfer = TransferCounts & {
  /** Within this process. */
  readonly id: number;
  readonly protocol: 'tftp' | 'http';
  readonly address: string;
  mac: string | null;
  /** As it was asked for, printable. */
  readonly file: string;
  readonly sizeBytes: number;
  /** TFTP only. */
  readonly blockBytes: number | null;
  readonly windowBlocks: number | null;
  state: TransferState;
  /** Why it ended as it did; empty when all went well. */
  reason: string;
  readonly startedAt: Date;
  endedAt: Date | null;
};

export type NewTransfer = Pick<LiveTransfer, 'protocol' | 'address' | 'file' | 'sizeBytes'> &
  Partial<Pick<LiveTransfer, 'mac' | 'blockBytes' | 'windowBlocks'>>;

/** Ended ones that wait to be reported; beyond it the oldest are forgotten. */
const ENDED_MAX = 5_000;

export class LiveTransfers {
  readonly #running = new Map<number, LiveTransfer>();
  #ended: LiveTransfer[] = [];
  #last = 0;

  /** `counts`: where the transfer's are kept, when that is not the row itself. */
  begin(given: NewTransfer, counts: TransferCounts = { bytes: 0, retransmits: 0 }): LiveTransfer {
    this.#last += 1;
    const transfer: LiveTransfer = {
      mac: null,
      blockBytes: null,
      windowBlocks: null,
      ...given,
      id: this.#last,
      get bytes() {
        return counts.bytes;
      },
      set bytes(value) {
        counts.bytes = value;
      },
      get retransmits() {
        return counts.retransmits;
      },
      set retransmits(value) {
        counts.retransmits = value;
      },
      state: 'running',
      reason: '',
      startedAt: new Date(),
      endedAt: null,
    };
    this.#running.set(transfer.id, transfer);
    return transfer;
  }

  /** Safe to repeat: the first end stands. */
  end(transfer: LiveTransfer, state: Exclude<TransferState, 'running'>, reason = ''): void {
    if (!this.#running.delete(transfer.id)) return;
    transfer.state = state;
    transfer.reason = reason;
    transfer.endedAt = new Date();
    this.#ended.push(transfer);
    if (this.#ended.length > ENDED_MAX) this.#ended.shift();
  }

  /** Takes it out unreported: it was no transfer after all (a size probe). */
  forget(transfer: LiveTransfer): void {
    this.#running.delete(transfer.id);
  }

  running(): LiveTransfer[] {
    return [...this.#running.values()];
  }

  /** Those that ended since the last call. */
  takeEnded(): LiveTransfer[] {
    const ended = this.#ended;
    this.#ended = [];
    return ended;
  }
}
