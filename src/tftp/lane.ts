/**
 * One thread for large files, from the server's side. A transfer is started there and ends once here: by its own end, because
 * it is told to, or because the thread is gone.
 */
import { Worker } from 'node:worker_threads';
import type { Logger } from '../shared/logger.js';
import type { OpenFile } from '../shared/safe-path.js';
import type { Carrier, Listeners, Route, TransferEnd } from './carrier.js';
import type { LaneNews, LaneOrder, SharedCounts } from './lane-messages.js';

type Carried = Listeners & { counts: SharedCounts; /** Who waits for its end. */ onSent: (() => void)[] };

/** The thread's program. Where the project runs from its sources, so does the thread: through the loader that reads them. */
function openThread(): Worker {
  const program = new URL('./lane-worker.js', import.meta.url).href;
  if (import.meta.url.endsWith('.js')) return new Worker(new URL(program));
  const source = JSON.stringify(program.replace(/\.js$/, '.ts'));
  return new Worker(`import('tsx/esm/api').then(({ register }) => { register(); return import(${source}); })`, { eval: true, execArgv: [] });
}

export class Lane {
  readonly #worker: Worker;
  readonly #carried = new Map<number, Carried>();
  #last = 0;
  #state: 'starting' | 'ready' | 'gone' = 'starting';

  constructor(log: Logger) {
    this.#worker = openThread();
    this.#worker.on('message', (news: LaneNews) => this.#hear(news));
    this.#worker.on('error', (err) => log.error({ err }, 'a thread of the TFTP server failed'));
    this.#worker.on('exit', () => this.#lose());
    // The listening sockets keep the process; a thread alone does not.
    this.#worker.unref();
  }

  isReady(): boolean {
    return this.#state === 'ready';
  }

  /** Transfers that run there now. */
  get size(): number {
    return this.#carried.size;
  }

  /** A transfer that runs there. The file's handle is the thread's from its start on. */
  carrier(route: Route, file: OpenFile, counts: SharedCounts, listeners: Listeners): Carrier {
    const id = (this.#last += 1);
    this.#carried.set(id, { ...listeners, counts, onSent: [] });
    return {
      start: async () => this.#order({ kind: 'start', id, route, file, counts: counts.memory }, file.handle),
      end: (outcome, reason) => {
        this.#order({ kind: 'end', id, outcome, reason });
        this.#finish(id, outcome, reason);
      },
      abort: (outcome, reason) =>
        new Promise((resolve) => {
          const carried = this.#carried.get(id);
          if (carried === undefined) return resolve();
          carried.onSent.push(resolve);
          this.#order({ kind: 'abort', id, outcome, reason });
        }),
    };
  }

  /** Ends the thread; what still runs there has failed. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #order(order: LaneOrder, handle?: OpenFile['handle']): void {
    this.#worker.postMessage(order, handle === undefined ? [] : [handle]);
  }

  #hear(news: LaneNews): void {
    switch (news.kind) {
      case 'ready':
        this.#state = 'ready';
        return;
      case 'progress':
        this.#carried.get(news.id)?.onProgress(news.fraction);
        return;
      case 'ended':
        this.#end(news.id, news.end);
    }
  }

  #lose(): void {
    this.#state = 'gone';
    for (const id of this.#carried.keys()) this.#finish(id, 'failed', 'the thread that carried it is gone');
  }

  #finish(id: number, outcome: TransferEnd['outcome'], reason: string): void {
    const counts = this.#carried.get(id)?.counts;
    if (counts !== undefined) this.#end(id, { outcome, reason, bytes: counts.bytes, retransmits: counts.retransmits, answered: counts.answered });
  }

  #end(id: number, end: TransferEnd): void {
    const carried = this.#carried.get(id);
    if (carried === undefined) return;
    this.#carried.delete(id);
    carried.onEnd(end);
    for (const resolve of carried.onSent) resolve();
  }
}
