/** The transfers of one server: one for each client port, begun once, counted, shown and told of until they end. */
import type { LiveTransfer, LiveTransfers } from '../nodes/transfers.js';
import type { Admission } from './admission.js';
import type { Carrier, Counts, Route, TransferEnd } from './carrier.js';
import type { Content } from './content.js';
import type { TftpCounters } from './events.js';
import type { Lanes } from './lanes.js';
import type { Teller } from './teller.js';

type Session = { carrier: Carrier; file: string; live: LiveTransfer; counts: Counts };

/** Progress is told at most this often: a fast transfer has a start and an end. */
const PROGRESS_EVERY_MS = 500;

export class Sessions {
  readonly #admission: Admission;
  readonly #lanes: Lanes;
  readonly #transfers: LiveTransfers;
  readonly #counters: TftpCounters;
  readonly #teller: Teller;
  /** By the client's address and port. */
  readonly #running = new Map<string, Session>();

  constructor(parts: { admission: Admission; lanes: Lanes; transfers: LiveTransfers; counters: TftpCounters; teller: Teller }) {
    this.#admission = parts.admission;
    this.#lanes = parts.lanes;
    this.#transfers = parts.transfers;
    this.#counters = parts.counters;
    this.#teller = parts.teller;
  }

  get size(): number {
    return this.#running.size;
  }

  has(key: string): boolean {
    return this.#running.has(key);
  }

  /** Whether a request is one that is being answered. Another one from the same port ends what was there. */
  isRepeated(key: string, file: string): boolean {
    const before = this.#running.get(key);
    if (before === undefined) return false;
    // The same request once more: its answer is under way, or will be repeated by its timer.
    if (!before.counts.answered && before.file === file) return true;
    // Old ROMs use one port for everything: a new request ends what was there.
    before.carrier.end('aborted', 'the client began anew');
    return false;
  }

  /** Begins a transfer, whose place the admission has given. */
  async begin(key: string, file: string, content: Content, route: Route): Promise<void> {
    const { address } = route.client;
    const { blockBytes, windowBlocks } = route.agreed;
    const { sizeBytes } = content;
    this.#counters.transfers += 1;
    const { carrier, counts } = this.#lanes.take(content, route, {
      onProgress: (fraction) => tellProgress(fraction),
      onEnd: (end) => this.#finish(key, session, end),
    });
    const live = this.#transfers.begin({ protocol: 'tftp', address, file, sizeBytes, blockBytes, windowBlocks }, counts);
    const session: Session = { carrier, file, live, counts };
    let toldAt = Date.now();
    const tellProgress = (fraction: number) => {
      if (fraction === 1 || Date.now() - toldAt < PROGRESS_EVERY_MS) return;
      toldAt = Date.now();
      this.#teller.tell('tftp-progress', address, `${file} ${Math.floor(fraction * 100)} %`, { file }, live);
    };
    this.#running.set(key, session);
    this.#teller.tell('tftp-start', address, `${file}: ${sizeBytes} bytes, blocks of ${blockBytes}, window ${windowBlocks}`, { file }, live);
    await carrier.start();
  }

  /** Ends all with a word to each client. */
  async abort(reason: string): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ carrier }) => carrier.abort('aborted', reason)));
  }

  #finish(key: string, session: Session, end: TransferEnd): void {
    const { live } = session;
    if (this.#running.get(key) === session) this.#running.delete(key);
    this.#admission.leave(live.address);
    this.#counters.bytes += end.bytes;
    this.#counters.retransmits += end.retransmits;
    const { bytes, retransmits, answered } = end;
    const facts = { file: live.file, bytes, retransmits, answered, silent: end.outcome === 'timeout' };
    if (end.outcome === 'probe') {
      this.#counters.probes += 1;
      this.#transfers.forget(live);
      this.#teller.tell('tftp-probe', live.address, `${live.file}: asked for its size alone`, facts, live);
      return;
    }
    this.#counters[end.outcome === 'timeout' ? 'timeouts' : end.outcome] += 1;
    const isDone = end.outcome === 'done';
    this.#transfers.end(live, end.outcome, isDone ? '' : end.reason);
    const repeats = retransmits === 0 ? '' : `, ${retransmits} sent again`;
    const detail = `${live.file}: ${isDone ? '' : `${end.reason} after `}${bytes} bytes${repeats}`;
    this.#teller.tell(isDone ? 'tftp-done' : 'tftp-failed', live.address, detail, facts, live);
  }
}
