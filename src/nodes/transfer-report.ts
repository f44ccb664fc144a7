/**
 * Shows the transfers of this process to everybody: once a second what runs and what ended goes into `boot_transfers`, in one
 * statement however many there are. The transfers themselves never wait for it; while the database is away nobody sees them.
 */
import { randomUUID } from 'node:crypto';
import type { Queryable } from '../db/client.js';
import type { Logger } from '../shared/logger.js';
import type { LiveTransfer, LiveTransfers } from './transfers.js';

const REPORT_MS = 1_000;
const FORGET_AFTER = '1 hour';
const FORGET_EVERY_MS = 60_000;

export type TransferReport = { /** Writes what there is now. */ flush(): Promise<void>; close(): Promise<void> };

/** Reports until closed; the last report tells of what ended until then. */
export function reportTransfers(db: Queryable, transfers: LiveTransfers, log: Logger): TransferReport {
  const server = randomUUID();
  const before = new Map<number, { bytes: number; at: number }>();
  let forgotAt = 0;
  let last: Promise<void> = Promise.resolve();

  async function report(): Promise<void> {
    const ended = transfers.takeEnded();
    const told = [...ended, ...transfers.running()];
    const now = Date.now();
    if (told.length > 0) await writeTransfers(db, server, told, rates(told, before, now));
    for (const { id } of ended) before.delete(id);
    if (now - forgotAt < FORGET_EVERY_MS) return;
    forgotAt = now;
    await db.query('DELETE FROM boot_transfers WHERE updated_at < clock_timestamp() - $1::interval', [FORGET_AFTER]);
  }

  const flush = (): Promise<void> => {
    last = last.then(report).catch((err: unknown) => log.warn({ err }, 'transfers not reported'));
    return last;
  };
  const timer = setInterval(() => void flush(), REPORT_MS);
  timer.unref();
  return {
    flush,
    close() {
      clearInterval(timer);
      return flush();
    },
  };
}

/** Bytes a second since the last report; over its whole life for one that has ended. */
function rates(told: readonly LiveTransfer[], before: Map<number, { bytes: number; at: number }>, now: number): number[] {
  return told.map(({ id, bytes, startedAt, endedAt }) => {
    const from = endedAt === null ? (before.get(id) ?? { bytes: 0, at: startedAt.getTime() }) : { bytes: 0, at: startedAt.getTime() };
    if (endedAt === null) before.set(id, { bytes, at: now });
    return Math.round(((bytes - from.bytes) * 1_000) / Math.max(1, (endedAt?.getTime() ?? now) - from.at));
  });
}

async function writeTransfers(db: Queryable, server: string, told: readonly LiveTransfer[], perSecond: readonly number[]): Promise<void> {
  const rows = told.map((transfer, index) => ({
    local_id: transfer.id,
    protocol: transfer.protocol,
    address: transfer.address,
    mac: transfer.mac,
    file: transfer.file,
    size_bytes: transfer.sizeBytes,
    bytes: transfer.bytes,
    bytes_per_second: perSecond[index] ?? 0,
    retransmits: transfer.retransmits,
    block_bytes: transfer.blockBytes,
    window_blocks: transfer.windowBlocks,
    state: transfer.state,
    reason: transfer.reason,
    started_at: transfer.startedAt,
    ended_at: transfer.endedAt,
  }));
  await db.query(
    `INSERT INTO boot_transfers (server, local_id, protocol, address, mac, file, size_bytes, bytes, bytes_per_second, retransmits, block_bytes, window_blocks,
            state, reason, started_at, ended_at)
     SELECT $1, r.* FROM jsonb_to_recordset($2::jsonb) AS r(local_id int, protocol text, address text, mac text, file text, size_bytes bigint, bytes bigint,
            bytes_per_second bigint, retransmits int, block_bytes int, window_blocks int, state text, reason text, started_at timestamptz, ended_at timestamptz)
     ON CONFLICT (server, local_id) DO UPDATE SET mac = EXCLUDED.mac, bytes = EXCLUDED.bytes, bytes_per_second = EXCLUDED.bytes_per_second,
            retransmits = EXCLUDED.retransmits, state = EXCLUDED.state, reason = EXCLUDED.reason, ended_at = EXCLUDED.ended_at, updated_at = clock_timestamp()`,
    [server, JSON.stringify(rows)],
  );
}
