/**
 * Keeps the board true while the operator looks at it: follows the event stream, applies events in small batches, and reads
 * again what the events declared stale. Level, not edge: the stream is opened first and everything shown is read after it
 * is open, so nothing falls between; after a `reset` everything is read again.
 */
import { everyItem, type ApiEvent } from '../client/client.js';
import { isRefused, problemWords, type Client } from './api.js';
import { applyEvents, type BoardEvent } from './store/apply.js';
import { EMPTY_BOARD, NOTHING_STALE, type Board } from './store/board.js';
import { newRate, tick, type Rate } from './store/rate.js';
import { withDeployments, withFleet, withMatrix, withNodes } from './store/snapshot.js';

export interface Live {
  readonly board: Board;
  readonly connection: 'opening' | 'open' | 'lost';
  /** Why the last read failed, or why the stream ended for good; null when all is well. */
  readonly problem: string | null;
  readonly rate: Rate;
  /** Moves once a second, so that "12 s ago" does. */
  readonly now: number;
}

export type Shown = { readonly page: 'home' | 'fleet' | 'networks' | 'boot' } | { readonly page: 'deployment'; readonly deployment: string };

const FLUSH_MS = 100;
/** Stale parts are read at most this often, and never for more than a quarter of the time. */
const CATCH_UP_MS = 500;
const COST_FACTOR = 3;
/** Above this many changed nodes one list is cheaper than single reads. */
const SINGLE_READS_MAX = 8;
const PAGE = 1000;
/** After a read that failed. */
const RETRY_MS = 3000;

/** `stale`: only what events declared stale. `anew`: everything, and nothing old may win. */
type Wish = 'stale' | 'shown' | 'anew';

export class LiveBoard {
  #live: Live;
  #shown: Shown = { page: 'home' };
  #queue: BoardEvent[] = [];
  #flushTimer = 0;
  #catchUpTimer = 0;
  #tickTimer = 0;
  #isReading = false;
  #wish: Wish | null = null;
  #costMs = 0;
  readonly #stop = new AbortController();
  readonly #client: Client;
  readonly #listener: (live: Live) => void;
  readonly #onRefused: () => void;

  /** `listener` gets every new state; `onRefused` is called when the server no longer takes the token. */
  constructor(client: Client, listener: (live: Live) => void, onRefused: () => void) {
    this.#client = client;
    this.#listener = listener;
    this.#onRefused = onRefused;
    this.#live = { board: EMPTY_BOARD, connection: 'opening', problem: null, rate: newRate(Date.now()), now: Date.now() };
  }

  start(): void {
    this.#tickTimer = window.setInterval(() => this.#set({ now: Date.now(), rate: tick(this.#live.rate, Date.now(), 0) }), 1000);
    void this.#follow();
    void this.#read('shown');
  }

  close(): void {
    this.#stop.abort();
    for (const timer of [this.#flushTimer, this.#catchUpTimer, this.#tickTimer]) clearTimeout(timer);
  }

  /** Says what is on the screen: only that is kept up to date. */
  show(shown: Shown): void {
    this.#shown = shown;
    const { board } = this.#live;
    if (shown.page === 'deployment' && board.matrix !== null && board.matrix.deployment !== shown.deployment) {
      this.#set({ board: { ...board, matrix: null } });
    }
    void this.#read('shown');
  }

  /** Reads what is shown again: after the operator did something, or asked for it. */
  refresh(): void {
    void this.#read('shown');
  }

  async #follow(): Promise<void> {
    const onConnection = (state: 'open' | 'lost'): void => {
      const isFirst = this.#live.connection === 'opening';
      this.#set({ connection: state });
      if (state === 'open' && isFirst) void this.#read('shown');
    };
    try {
      for await (const event of this.#client.events({ signal: this.#stop.signal, onConnection })) this.#take(event);
    } catch (error) {
      if (isRefused(error)) return this.#onRefused();
      this.#set({ connection: 'lost', problem: problemWords(error) });
    }
  }

  #take(event: ApiEvent): void {
    if (event.type === 'reset') {
      this.#queue = [];
      void this.#read('anew');
      return;
    }
    this.#queue.push(event);
    if (this.#flushTimer === 0) this.#flushTimer = window.setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    this.#flushTimer = 0;
    const events = this.#queue;
    this.#queue = [];
    const now = Date.now();
    const transitions = events.filter((event) => event.kind === 'noderole-changed').length;
    this.#set({ board: applyEvents(this.#live.board, events), rate: tick(this.#live.rate, now, transitions), now });
    this.#catchUpSoon();
  }

  #catchUpSoon(extraMs = 0): void {
    const { nodes, matrix, deployments } = this.#live.board.stale;
    if (this.#catchUpTimer !== 0 || this.#isReading) return;
    if (extraMs === 0 && nodes.size === 0 && !matrix && !deployments) return;
    this.#catchUpTimer = window.setTimeout(
      () => {
        this.#catchUpTimer = 0;
        void this.#read(extraMs === 0 ? 'stale' : 'shown');
      },
      CATCH_UP_MS + COST_FACTOR * this.#costMs + extraMs,
    );
  }

  /** One read at a time; a wish that comes meanwhile is served right after it. */
  async #read(what: Wish): Promise<void> {
    if (this.#isReading) {
      if (what !== 'stale' && this.#wish !== 'anew') this.#wish = what;
      return;
    }
    this.#isReading = true;
    const begun = Date.now();
    let isBroken = false;
    try {
      await this.#readShown(what);
      this.#set({ problem: null });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (isRefused(error)) return this.#onRefused();
      this.#set({ problem: problemWords(error) });
      isBroken = true;
    }
    this.#isReading = false;
    this.#costMs = Date.now() - begun;
    const wish = this.#wish;
    this.#wish = null;
    if (wish !== null && !isBroken) void this.#read(wish);
    else this.#catchUpSoon(isBroken ? RETRY_MS : 0);
  }

  async #readShown(what: Wish): Promise<void> {
    const { stale } = this.#live.board;
    const shown = this.#shown;
    this.#set({ board: { ...this.#live.board, stale: NOTHING_STALE } });
    const isWhole = what !== 'stale';
    const reads: Promise<void>[] = [];
    if (isWhole || stale.deployments) reads.push(this.#readDeployments());
    if (shown.page === 'fleet') reads.push(this.#readFleet(isWhole, [...stale.nodes]));
    if (shown.page === 'deployment') reads.push(this.#readMatrix(shown.deployment, isWhole || stale.matrix, what === 'anew', [...stale.nodes]));
    await Promise.all(reads);
  }

  async #readDeployments(): Promise<void> {
    const { items } = await this.#client.deployments.list({ limit: PAGE }, this.#call());
    this.#set({ board: withDeployments(this.#live.board, items) });
  }

  async #readFleet(isWhole: boolean, ids: readonly number[]): Promise<void> {
    if (!isWhole && this.#live.board.fleet !== null && ids.length <= SINGLE_READS_MAX) return this.#readNodes(ids);
    const nodes = [];
    for await (const node of everyItem((after) => this.#client.nodes.list({ limit: PAGE, after }, this.#call()))) nodes.push(node);
    this.#set({ board: withFleet(this.#live.board, nodes) });
  }

  /** Nodes outside the deployment are not on the screen: the fleet page reads everything when it is opened. */
  async #readMatrix(deployment: string, isWhole: boolean, isAnew: boolean, ids: readonly number[]): Promise<void> {
    const ours = ids.filter((id) => this.#live.board.matrix?.at.has(id));
    if (!isWhole && this.#live.board.matrix !== null && ours.length <= SINGLE_READS_MAX) return this.#readNodes(ours);
    const answer = await this.#client.deployments.matrix(deployment, this.#call());
    if (this.#shown.page !== 'deployment' || this.#shown.deployment !== deployment) return;
    // After a restore versions may be lower than ours: then nothing of the old matrix may win.
    const board = isAnew ? { ...this.#live.board, matrix: null } : this.#live.board;
    this.#set({ board: withMatrix(board, answer, Date.now()) });
  }

  /** A node that is gone by now answers 404: its node-deleted event takes it off the board. */
  async #readNodes(ids: readonly number[]): Promise<void> {
    const found = await Promise.all(ids.map((id) => this.#client.nodes.get(id, this.#call()).catch(() => null)));
    const nodes = found.filter((node) => node !== null);
    if (nodes.length > 0) this.#set({ board: withNodes(this.#live.board, nodes) });
  }

  #call(): { signal: AbortSignal } {
    return { signal: this.#stop.signal };
  }

  #set(part: Partial<Live>): void {
    if (this.#stop.signal.aborted) return;
    this.#live = { ...this.#live, ...part };
    this.#listener(this.#live);
  }
}
