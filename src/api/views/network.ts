/** Networks, allocations and leases as the API shows them. */
import type { Allocation as AllocationRow } from '../../networks/allocations.js';
import type { Lease as LeaseRow } from '../../networks/leases.js';
import type { NetworkRow } from '../../networks/read.js';
import { networkSchema, type Allocation, type Lease, type Network } from '../network-schemas.js';

export function viewNetwork(row: NetworkRow): Network {
  const deployment = typeof row.deployment_id === 'number' ? { id: row.deployment_id, name: row.deployment ?? '' } : null;
  // The row is typed by its columns' use in rules; the shape says the rest, and drops what is not shown.
  return networkSchema.parse({ ...row, deployment, group: row.group_name });
}

export function viewAllocation(row: AllocationRow): Allocation {
  const { id, address, mac, hostname, unmanaged } = row;
  const node = row.node_id === null ? null : { id: row.node_id, name: row.node ?? '' };
  return { id, address, mac, hostname, unmanaged, network: { id: row.network_id, name: row.network }, node };
}

export function viewLease(row: LeaseRow): Lease {
  const { address, mac, hostname, state } = row;
  const node = row.node_id === null ? null : { id: row.node_id, name: row.node ?? '' };
  return {
    address,
    mac,
    hostname,
    state,
    client_id: row.client_id,
    network: { id: row.network_id, name: row.network },
    expires_at: row.expires_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    node,
  };
}
