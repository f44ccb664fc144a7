/**
 * The loop from events to webhooks: records what each is to be sent, sends what is due. Each webhook is served by itself, so
 * that one whose endpoint hangs delays nobody else. Any number of processes may run it; an attempt that was under way when a
 * process died is made again, with the same id.
 */
import type { Db } from '../db/client.js';
import type { Hints } from '../events/hints.js';
import { readEpoch } from '../events/read.js';
import { createRounds } from '../events/rounds.js';
import { sequence } from '../events/sequencer.js';
import { groupBy } from '../shared/group-by.js';
import type { Logger } from '../shared/logger.js';
import type { AddressPolicy } from './address-policy.js';
import { claimDeliveries, finishAttempt, recordDeliveries, type Claimed } from './deliveries.js';
import { send } from './send.js';
import { sign, SIGNATURE_HEADER } from './signature.js';
import { hasWebhooks, readAddressPolicy, type SecretBox } from './store.js';
import { judge, type Attempt } from './verdict.js';

export type WebhookDispatcherOptions = {
  box: Pick<SecretBox, 'decrypt'>;
  /** Blocks of addresses that may be spoken to whatever they are. */
  allow: readonly string[];
  log: Logger;
  /** For the User-Agent. */
  version: string;
  feed?: Hints;
  pollMs?: number;
  timeoutMs?: number;
};

export type WebhookDispatcher = {
  start(): void;
  /** Runs until nothing is due; for tests. */
  drain(): Promise<void>;
  /** Breaks off the attempts that run: they are made again. */
  close(): Promise<void>;
};

const POLL_MS = 500;
/** Requests to one endpoint at once. */
const PARALLEL = 4;
/** How long a new webhook may go unnoticed; it misses nothing, because it remembers where it began. */
const LOOK_MS = 1_000;
const MOVE_MS = 5_000;

export function createWebhookDispatcher(db: Db, options: WebhookDispatcherOptions): WebhookDispatcher {
  const busy = new Map<number, Promise<void>>();
  const stop = new AbortController();
  let epoch: string | undefined;
  let hasAny = false;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let movedAt = Number.NEGATIVE_INFINITY;

  async function runRound(): Promise<void> {
    if (!(await isWorthwhile())) return;
    epoch ??= await readEpoch(db.pool);
    await sequence(db.pool);
    while (await recordDeliveries(db.pool, epoch));
    const claimed = await claimDeliveries(db.pool, [...busy.keys()]);
    if (claimed.length === 0) return;
    const policy = await readAddressPolicy(db.pool, options.allow);
    for (const [webhookId, deliveries] of groupBy(claimed, (delivery) => delivery.webhookId)) {
      const work = serve(deliveries, policy)
        .catch((error: unknown) => options.log.error({ err: error, webhookId }, 'webhook outcomes not written; sent again after their lease'))
        .finally(() => {
          busy.delete(webhookId);
          rounds.kick();
        });
      busy.set(webhookId, work);
    }
  }

  /**
   * Hints come up to fifty times a second while the engine works. Without a webhook there is nothing to do but to move the
   * cursor now and then, so that retention is not held up.
   */
  async function isWorthwhile(): Promise<boolean> {
    const now = performance.now();
    if (now - lookedAt > LOOK_MS) {
      hasAny = await hasWebhooks(db.pool);
      lookedAt = now;
    }
    if (!hasAny && now - movedAt < MOVE_MS) return false;
    movedAt = now;
    return true;
  }

  /** A few at a time, the oldest first. */
  async function serve(deliveries: Claimed[], policy: AddressPolicy): Promise<void> {
    const left = [...deliveries];
    const lane = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined && !stop.signal.aborted; next = left.shift()) await deliver(next, policy);
    };
    await Promise.all(Array.from({ length: PARALLEL }, lane));
  }

  async function deliver(delivery: Claimed, policy: AddressPolicy): Promise<void> {
    const attempt = await attemptOf(delivery, policy);
    // Our own stop is not the endpoint's failure: the lease ends and another process sends it.
    if (stop.signal.aborted && attempt.kind === 'no-answer') return;
    const verdict = judge(attempt, delivery.attempts, Math.random());
    if (verdict.kind !== 'delivered')
      options.log.warn(
        { webhook: delivery.webhook, deliveryId: delivery.uid, attempt: delivery.attempts, reason: verdict.error, verdict: verdict.kind },
        'webhook not taken',
      );
    await finishAttempt(db.pool, delivery, attempt, verdict);
  }

  async function attemptOf(delivery: Claimed, policy: AddressPolicy): Promise<Attempt> {
    let secret: string;
    try {
      secret = options.box.decrypt(delivery.secret).reveal();
    } catch {
      // Another key, or a row that was changed: what it says of BMCs would only mislead.
      return { kind: 'refused', error: "its secret cannot be read with this server's key (secret.key); rotate it", ms: 0 };
    }
    const timestamp = Math.floor(Date.now() / 1000);
    return send({
      url: delivery.url,
      body: delivery.body,
      policy,
      signal: stop.signal,
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'user-agent': `Prybar/${options.version}`,
        'prybar-delivery': delivery.uid,
        'prybar-event': delivery.kind,
        'prybar-attempt': String(delivery.attempts),
        [SIGNATURE_HEADER.toLowerCase()]: sign(secret, timestamp, delivery.body),
      },
    });
  }

  const rounds = createRounds({ what: 'webhook', run: runRound, log: options.log, feed: options.feed, pollMs: options.pollMs ?? POLL_MS });
  return {
    start: () => rounds.start(),
    async drain() {
      lookedAt = Number.NEGATIVE_INFINITY;
      await rounds.drain(busy);
    },
    async close() {
      stop.abort();
      await rounds.close();
      await Promise.all(busy.values());
    },
  };
}
