/** What the server counts. Totals since the start; shown by /metrics, written into the server's row with each heartbeat. */
export type DhcpCounters = {
  received: number;
  malformed: number;
  ignored: number;
  offers: number;
  acks: number;
  naks: number;
  declines: number;
  /** Addresses that somebody used without having asked us. */
  conflicts: number;
  releases: number;
  informs: number;
  bootpReplies: number;
  /** Replies the kernel did not take. */
  sendFailures: number;
  /** Steps that no timeline has: a flood, or the database is away. */
  eventsLeftOut: number;
  /** Why messages were dropped, ignored or refused, by reason. The reasons are a closed set: the map cannot grow. */
  reasons: Record<string, number>;
};

/** All zero. */
export function newCounters(): DhcpCounters {
  return {
    received: 0,
    malformed: 0,
    ignored: 0,
    offers: 0,
    acks: 0,
    naks: 0,
    declines: 0,
    conflicts: 0,
    releases: 0,
    informs: 0,
    bootpReplies: 0,
    sendFailures: 0,
    eventsLeftOut: 0,
    reasons: {},
  };
}

/** Adds one to a reason. */
export function countReason(counters: DhcpCounters, reason: string): void {
  counters.reasons[reason] = (counters.reasons[reason] ?? 0) + 1;
}
