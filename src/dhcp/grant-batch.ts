/** Which of the lease asks that wait go into the next commit together. */
import { ownerOf } from './identity.js';
import type { LeaseAsk } from './lease-queries.js';

/** What became of one ask. `unavailable`: the database did not answer; nothing is known, the client asks again. */
export type GrantOutcome = 'granted' | 'taken' | 'unavailable';

/** An ask that waits for its commit, and who is told what became of it. */
export type PendingGrant = {
  readonly kind: 'grant';
  readonly ask: LeaseAsk;
  readonly settle: ((outcome: GrantOutcome) => void)[];
};
/** Any other change of the table, in its place among the grants. */
export type PendingWrite = { readonly kind: 'write'; readonly what: string; readonly run: () => Promise<void> };
export type Pending = PendingGrant | PendingWrite;

const BATCH_ASKS = 256;

/**
 * The grants at the head of the queue that differ in address and machine. A repeat of an ask shares its outcome; one that
 * collides with another stays for the next batch, as everything behind a write does.
 */
export function takeBatch(queue: readonly Pending[]): { batch: PendingGrant[]; rest: Pending[] } {
  const batch: PendingGrant[] = [];
  const byAddress = new Map<number, PendingGrant>();
  /** Owners by network. */
  const machines = new Map<number, Set<string>>();
  const rest: Pending[] = [];
  let isClosed = false;
  for (const item of queue) {
    if (isClosed || item.kind === 'write' || batch.length >= BATCH_ASKS) {
      isClosed = true;
      rest.push(item);
      continue;
    }
    const owner = ownerOf(item.ask);
    let owners = machines.get(item.ask.networkId);
    if (owners === undefined) machines.set(item.ask.networkId, (owners = new Set()));
    const same = byAddress.get(item.ask.address);
    if (same !== undefined && ownerOf(same.ask) === owner) {
      same.settle.push(...item.settle);
    } else if (same !== undefined || owners.has(owner)) {
      rest.push(item);
    } else {
      byAddress.set(item.ask.address, item);
      owners.add(owner);
      batch.push(item);
    }
  }
  return { batch, rest };
}
