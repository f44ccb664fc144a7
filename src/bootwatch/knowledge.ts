/** Reads what a DHCP server of ours would know now, from the database alone: for questions, not for clients. */
import type { Db } from '../db/client.js';
import { parseIpv4 } from '../shared/ipv4.js';
import type { ServerSettings } from '../dhcp/answer.js';
import { DEFAULT_LOADERS } from '../dhcp/bootfile.js';
import { LeaseBook } from '../dhcp/lease-book.js';
import { readLeases } from '../dhcp/lease-queries.js';
import { UnknownQuota } from '../dhcp/quota.js';
import { readEntriesOf, readNetworks } from '../dhcp/read-table.js';
import type { Knowledge } from '../dhcp/situation.js';

/** The table, the leases, and the entries of the MACs that are asked about. `serverIds`: our own addresses. */
export async function readKnowledge(db: Db, macs: readonly string[], serverIds: readonly number[]): Promise<Knowledge> {
  const [{ networks }, entries, leases] = await Promise.all([readNetworks(db.pool), readEntriesOf(db.pool, macs), readLeases(db.pool)]);
  const book = new LeaseBook();
  for (const { leftMs, ...lease } of leases) book.put({ ...lease, expiresAtMs: leftMs });
  return { networks, entryOf: (mac) => entries.get(mac), book, quota: new UnknownQuota(), serverIds, minSecs: 0, nowMs: 0 };
}

/** What the boot process is told by its configuration. With interfaces each answers with its own address. */
export async function readServerSettings(db: Db, config: { bootHost: string; bootHttpPort: number; interfaces: readonly string[] }): Promise<ServerSettings> {
  const { rows } = await db.pool.query(`SELECT 1 FROM boot_servers WHERE kind = 'dns' AND status = 'serving' AND lease_until > clock_timestamp() LIMIT 1`);
  return {
    bootHost: config.interfaces.length === 0 ? parseIpv4(config.bootHost) : undefined,
    bootHttpPort: config.bootHttpPort,
    loaders: DEFAULT_LOADERS,
    servesDns: rows.length > 0,
  };
}
