/**
 * Addresses that another server gives on a network in mode proxy, as we overhear their clients. Boot files are rendered only to
 * the address that is leased to a MAC (netboot-rules 19), so the lease is written down although it is not ours.
 */
import type { Pool } from 'pg';
import { formatIpv4 } from '../shared/ipv4.js';

export type ObservedLease = { readonly address: number; readonly networkId: number; readonly mac: string; readonly clientKey: string | null };

/**
 * The last one heard is right, whoever the row said before: the other server decides, not we. Two statements without a
 * transaction, since each is harmless alone; a second server of ours that hears the same writes the same.
 */
export async function observeLease(pool: Pool, lease: ObservedLease, seconds: number): Promise<void> {
  const { networkId, mac, clientKey } = lease;
  const address = formatIpv4(lease.address);
  await pool.query(
    `UPDATE leases SET state = 'released', updated_at = clock_timestamp()
     WHERE network_id = $1 AND coalesce(client_key, mac) = coalesce($2, $3) AND state = 'active' AND address <> $4`,
    [networkId, clientKey, mac, address],
  );
  await pool.query(
    `INSERT INTO leases (address, network_id, mac, client_key, state, expires_at, updated_at)
     VALUES ($1, $2, $3, $4, 'active', clock_timestamp() + make_interval(secs => $5), clock_timestamp())
     ON CONFLICT (address) DO UPDATE
     SET network_id = EXCLUDED.network_id, mac = EXCLUDED.mac, client_key = EXCLUDED.client_key, client_id = NULL, hostname = NULL,
         state = 'active', expires_at = EXCLUDED.expires_at, updated_at = EXCLUDED.updated_at`,
    [address, networkId, mac, clientKey, seconds],
  );
}
