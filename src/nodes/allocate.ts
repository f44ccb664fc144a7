/** Addresses of nodes, given in the transaction that makes or finds them. The rule is allocate_nodes (prisma/functions/82_allocate.sql). */
import type { Tx } from '../db/client.js';
import { alarm, allocationChanged, type AllocationRow, type DomainEvent } from '../events/events.js';

type Row = AllocationRow | { id: null; network_id: number; address: null; mac: null; node_id: number };

/**
 * Gives the nodes what they lack and returns the events the caller writes: one for each address, and an alarm for each network
 * whose range is full; a machine is never refused for want of an address. Safe to repeat.
 */
export async function allocateNodes(tx: Tx, nodeIds: readonly number[]): Promise<DomainEvent[]> {
  const { rows } = await tx.query<Row>('SELECT id, network_id, address, mac, node_id FROM allocate_nodes($1)', [nodeIds]);
  const full = new Map<number, number>();
  const events: DomainEvent[] = [];
  for (const row of rows) {
    if (row.id === null) full.set(row.network_id, (full.get(row.network_id) ?? 0) + 1);
    else events.push(allocationChanged('created', row));
  }
  for (const [networkId, count] of full)
    events.push(
      alarm('network', networkId, 'range-full', `range host has no free address: ${count === 1 ? 'a node has' : `${count} nodes have`} none on this network`),
    );
  return events;
}
