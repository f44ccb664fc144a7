/** Keeps a BoardState fresh from the API: a snapshot now and then, the event stream in between. Shell. */
import { ClientError, everyItem, type ApiEvent, type Client } from '../../client/client.js';
import type { Matrix, Node } from '../answers.js';
import { applyEvents, EMPTY_BOARD, withSnapshot, type BoardState } from './model.js';

/** A snapshot is read again at least this often, events or not: what the stream lost is healed then. */
const SNAPSHOT_EVERY_MS = 5_000;
/** And not more often than this when events say that it is stale. */
const STALE_AFTER_MS = 1_000;
/** Snapshots may take a tenth of the time, a third when something is known to be stale: a large fleet is read less often. */
const COST_FACTOR = 10;
const STALE_COST_FACTOR = 2;
const PAGE = 1000;

export type BoardFeed = {
  state: () => BoardState;
  /** Transitions per second as the server measures them. */
  rate: () => number;
  /** Changes of state seen on the stream since the feed began. */
  transitions: () => number;
  /** Why nothing is known, or empty. */
  problem: () => string;
  /** Takes in what has arrived; reads a snapshot when one is due. Resolves when that is done. Throws when the token is refused. */
  step: () => Promise<void>;
  /** Reads a snapshot now. */
  refresh: () => Promise<void>;
};

export type FeedOptions = {
  client: Client;
  deploymentName: string;
  signal: AbortSignal;
  now: () => number;
  /** Told every event of the stream, as it arrives. */
  onEvent?: (event: ApiEvent) => void;
};

async function readNodes(client: Client, signal: AbortSignal): Promise<Node[]> {
  const nodes: Node[] = [];
  for await (const node of everyItem((after) => client.nodes.list({ limit: PAGE, after }, { signal }))) nodes.push(node);
  return nodes;
}

async function readMatrix(client: Client, name: string, signal: AbortSignal): Promise<Matrix | null> {
  try {
    return await client.deployments.matrix(name, { signal });
  } catch (error) {
    if (error instanceof ClientError && error.status === 404) return null;
    throw error;
  }
}

/** Begins to follow. Nothing but `step` and `refresh` throws. */
export function openFeed(options: FeedOptions): BoardFeed {
  const { client, deploymentName, signal, now } = options;
  let state = EMPTY_BOARD;
  let rate = 0;
  let transitions = 0;
  let problem = '';
  let pending: ApiEvent[] = [];
  let stale = true;
  let readAt = Number.NEGATIVE_INFINITY;
  let cost = 0;
  let streaming = false;
  let broken: unknown;

  async function follow(): Promise<void> {
    streaming = true;
    try {
      for await (const event of client.events({ signal })) {
        pending.push(event);
        options.onEvent?.(event);
      }
    } catch (error) {
      // Without the stream the snapshots go on, and say what is wrong if it is more than the stream. The rest is for `step`.
      if (!(error instanceof ClientError)) broken = error;
    } finally {
      streaming = false;
    }
  }

  function takeEvents(): void {
    if (pending.length === 0) return;
    const events = pending;
    pending = [];
    for (const event of events) if (event.type === 'event' && event.kind === 'noderole-changed') transitions += 1;
    const applied = applyEvents(state, events);
    state = applied.state;
    stale ||= applied.stale;
  }

  async function refresh(): Promise<void> {
    const begun = now();
    readAt = begun;
    try {
      const [nodes, matrix, status] = await Promise.all([readNodes(client, signal), readMatrix(client, deploymentName, signal), client.status({ signal })]);
      takeEvents();
      state = withSnapshot(state, { nodes, matrix });
      rate = status.transitions_per_second;
      problem = '';
      // What happened between this snapshot and the stream's first event, the next snapshot tells: soon, therefore.
      stale = !streaming;
      if (!streaming && !signal.aborted) void follow();
    } catch (error) {
      if (!(error instanceof ClientError) || error.status === 401 || error.status === 403) throw error;
      problem = error.detail;
    }
    cost = now() - begun;
  }

  async function step(): Promise<void> {
    if (broken !== undefined) throw broken;
    takeEvents();
    const age = now() - readAt;
    const due =
      age >= Math.max(SNAPSHOT_EVERY_MS, cost * COST_FACTOR) || ((stale || problem !== '') && age >= Math.max(STALE_AFTER_MS, cost * STALE_COST_FACTOR));
    if (due && !signal.aborted) await refresh();
  }

  return {
    state: () => state,
    rate: () => rate,
    transitions: () => transitions,
    problem: () => problem,
    step,
    refresh,
  };
}
