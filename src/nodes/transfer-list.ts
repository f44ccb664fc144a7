/** Reads the transfers that the boot servers reported. */
import type { Queryable } from '../db/client.js';
import type { TransferState } from './transfers.js';

export type TransferRow = {
  id: number;
  protocol: 'tftp' | 'http';
  address: string;
  mac: string | null;
  node: { id: number; name: string } | null;
  file: string;
  size_bytes: number;
  bytes: number;
  bytes_per_second: number;
  retransmits: number;
  block_bytes: number | null;
  window_blocks: number | null;
  /** `lost`: its server ended without a word. */
  state: TransferState | 'lost';
  reason: string;
  started_at: Date;
  updated_at: Date;
  ended_at: Date | null;
};

export type TransferQuery = {
  limit: number;
  before?: number | undefined;
  state?: TransferRow['state'] | undefined;
  protocol?: TransferRow['protocol'] | undefined;
  nodeId?: number | undefined;
  mac?: string | undefined;
  address?: string | undefined;
  /** Part of the file's name. */
  search?: string | undefined;
};

/** Reports come each second: a running transfer that was not told of for so long has no server any more. */
const LOST_AFTER = '15 seconds';

const STATE = `CASE WHEN t.state = 'running' AND t.updated_at < clock_timestamp() - interval '${LOST_AFTER}' THEN 'lost' ELSE t.state END`;

/** The newest first, and how many there are in all. */
export async function listTransfers(db: Queryable, query: TransferQuery): Promise<{ rows: TransferRow[]; total: number }> {
  const where = `($1::text IS NULL OR ${STATE} = $1) AND ($2::text IS NULL OR t.protocol = $2) AND ($3::int IS NULL OR c.node_id = $3)
    AND ($4::text IS NULL OR t.mac = $4) AND ($5::text IS NULL OR t.address = $5) AND ($6::text IS NULL OR strpos(lower(t.file), lower($6)) > 0)`;
  const from = `FROM boot_transfers t LEFT JOIN nics c ON c.mac = t.mac LEFT JOIN nodes n ON n.id = c.node_id WHERE ${where}`;
  const values = [query.state, query.protocol, query.nodeId, query.mac, query.address, query.search].map((value) => value ?? null);
  const [page, count] = await Promise.all([
    db.query<TransferRow>(
      `SELECT t.id::float8 AS id, t.protocol, t.address, t.mac, CASE WHEN n.id IS NULL THEN NULL ELSE jsonb_build_object('id', n.id, 'name', n.name) END AS node,
              t.file, t.size_bytes::float8 AS size_bytes, t.bytes::float8 AS bytes, t.bytes_per_second::float8 AS bytes_per_second, t.retransmits,
              t.block_bytes, t.window_blocks, ${STATE} AS state, t.reason, t.started_at, t.updated_at, t.ended_at
         ${from} AND ($7::bigint IS NULL OR t.id < $7) ORDER BY t.id DESC LIMIT $8`,
      [...values, query.before ?? null, query.limit],
    ),
    db.query<{ total: number }>(`SELECT count(*)::int AS total ${from}`, values),
  ]);
  return { rows: page.rows, total: count.rows[0]?.total ?? 0 };
}
