/**
 * Whose an address is where another server gives it: Prybar has no lease there to look at. The kernel's neighbour table tells,
 * because whoever asks over HTTP was answered on the segment just now. That is as much as a lease is worth: both are the MAC's
 * own word. Behind a router there is no such entry, and a machine there gets no script that carries a token (netboot-rules 19).
 */
import { readFile } from 'node:fs/promises';
import { withTransaction, type Db } from '../db/client.js';
import { parseIpv4, parseSubnet, subnetContains } from '../shared/ipv4.js';

/** Linux's table of neighbours; readable by everybody (proc(5)). */
const NEIGHBOURS = '/proc/net/arp';

/** ATF_COM of linux/if_arp.h: the entry has a MAC. */
const COMPLETE = 0x2;

/** PURE: the MAC of an address in the text of /proc/net/arp; undefined when it has none. */
export function neighbourIn(table: string, address: string): string | undefined {
  for (const line of table.split('\n').slice(1)) {
    const [ip, , flags, mac] = line.trim().split(/\s+/);
    if (ip === address && (Number(flags) & COMPLETE) !== 0 && mac !== undefined && mac !== '00:00:00:00:00:00') return mac.toLowerCase();
  }
  return undefined;
}

/** The MAC that the segment shows an address at; null when it shows none. */
export async function seenNeighbour(address: string, neighbours = NEIGHBOURS): Promise<string | null> {
  const table = await readFile(neighbours, 'utf8').catch(() => '');
  return neighbourIn(table, address) ?? null;
}

/**
 * Whether the machine of that MAC is seen to hold the address on a network where another server gives addresses (mode proxy or
 * off). If so it is written down as a lease, for all that looks at leases, and counts as long as one of that network.
 */
export async function witnessAddress(db: Db, seen: { mac: string; address: string }, neighbours = NEIGHBOURS): Promise<boolean> {
  const address = parseIpv4(seen.address);
  if (address === undefined) return false;
  const { rows } = await db.pool.query<{ id: number; subnet: string }>(`SELECT id, subnet FROM networks WHERE dhcp_mode IN ('proxy', 'off') ORDER BY id`);
  const network = rows.find((row) => {
    const subnet = parseSubnet(row.subnet);
    return subnet !== undefined && subnetContains(subnet, address);
  });
  if (network === undefined) return false;
  if ((await seenNeighbour(seen.address, neighbours)) !== seen.mac) return false;
  await withTransaction(db.pool, async (tx) => {
    await tx.query('DELETE FROM leases WHERE network_id = $1 AND mac = $2 AND address <> $3', [network.id, seen.mac, seen.address]);
    await tx.query(
      `INSERT INTO leases (address, network_id, mac, state, expires_at, updated_at)
       SELECT $2, id, $3, 'active', clock_timestamp() + make_interval(secs => lease_seconds), clock_timestamp() FROM networks WHERE id = $1
       ON CONFLICT (address) DO UPDATE SET network_id = EXCLUDED.network_id, mac = EXCLUDED.mac, client_id = NULL, client_key = NULL, hostname = NULL,
         state = 'active', expires_at = EXCLUDED.expires_at, updated_at = EXCLUDED.updated_at`,
      [network.id, seen.address, seen.mac],
    );
  });
  return true;
}
