/** Which machine an address is: for the boot timeline of transfers, whose requests carry no MAC. Nothing is decided by it. */
import type { Pool } from '../db/client.js';
import { seenNeighbour } from './witness.js';

const TTL_MS = 5_000;
const MAX_ENTRIES = 10_000;

export type LeaseLookup = (address: string) => Promise<string | null>;

/**
 * A lookup with a small cache: the MAC that the address is leased to or reserved for, or that the segment shows it at (another
 * server gave it, or the database is away); null when nobody knows.
 */
export function createLeaseLookup(pool: Pool): LeaseLookup {
  const cache = new Map<string, { mac: Promise<string | null>; until: number }>();
  return (address) => {
    const now = Date.now();
    const known = cache.get(address);
    if (known !== undefined && known.until > now) return known.mac;
    if (cache.size >= MAX_ENTRIES) cache.clear();
    // A timeline without a name beats a transfer that fails.
    const mac = readMac(pool, address)
      .catch(() => null)
      .then((leased) => leased ?? seenNeighbour(address));
    cache.set(address, { mac, until: now + TTL_MS });
    return mac;
  };
}

async function readMac(pool: Pool, address: string): Promise<string | null> {
  const { rows } = await pool.query<{ mac: string }>(
    `SELECT mac FROM leases WHERE address = $1 AND state = 'active' UNION ALL SELECT mac FROM reservations WHERE address = $1 LIMIT 1`,
    [address],
  );
  return rows[0]?.mac ?? null;
}
