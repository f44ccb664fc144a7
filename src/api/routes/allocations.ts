/** `/allocations`: addresses that are a machine's own. `/leases`: those that machines hold for a while. */
import type { Db } from '../../db/client.js';
import { createAllocation, deleteAllocation, listAllocations, readAllocation } from '../../networks/allocations.js';
import { listLeases, releaseLease } from '../../networks/leases.js';
import { networkId } from '../../networks/read.js';
import { writeAudit } from '../audit.js';
import { nodeId, referenced, referencedNetwork } from '../lookup.js';
import * as n from '../network-schemas.js';
import { pageWindow, toPage } from '../paging.js';
import { defineRoute, type Route } from '../route.js';
import { pageOf } from '../schemas.js';
import { viewAllocation, viewLease } from '../views/network.js';

/** Addresses are cursors of leases: uint32. */
const LARGEST_ADDRESS = 0xffff_ffff;

export function allocationRoutes({ db }: { db: Db }): Route[] {
  return [...ownRoutes(db), ...leaseRoutes(db)];
}

function ownRoutes(db: Db): Route[] {
  const tag = 'allocations';
  return [
    defineRoute({
      method: 'get',
      path: '/allocations',
      scope: 'viewer',
      tag,
      summary: 'List the addresses that are a machine’s own or only recorded',
      query: n.allocationListQuerySchema,
      answer: pageOf(n.allocationSchema),
      async handle({ query }) {
        const filter = {
          networkId: query.network === undefined ? undefined : await networkId(db.pool, query.network),
          nodeId: query.node === undefined ? undefined : await nodeId(db, query.node),
          unmanaged: query.unmanaged,
          q: query.q,
        };
        const { rows, total } = await listAllocations(db.pool, filter, pageWindow(query));
        return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: viewAllocation });
      },
    }),
    defineRoute({
      method: 'post',
      path: '/allocations',
      scope: 'operator',
      tag,
      summary: 'Give an address to a node or a host, or record one that is never served',
      body: n.allocationCreateSchema,
      status: 201,
      answer: n.allocationSchema,
      refusals: [409],
      async handle({ body, actor }) {
        const { network, node, ...rest } = body;
        const id = await createAllocation(db, {
          ...rest,
          networkId: await referencedNetwork(db, network),
          nodeId: node === undefined ? undefined : await referenced(db, 'node', 'node', node),
        });
        const made = await readAllocation(db.pool, id);
        await writeAudit(db, { actor: actor.name, action: 'allocation.create', target: `allocation/${id}`, detail: { address: made.address, mac: made.mac } });
        return viewAllocation(made);
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/allocations/:id',
      scope: 'operator',
      tag,
      summary: 'Take an address back',
      params: n.byIdSchema,
      async handle({ params, actor }) {
        const { address, mac } = await readAllocation(db.pool, params.id);
        await deleteAllocation(db, params.id);
        await writeAudit(db, { actor: actor.name, action: 'allocation.delete', target: `allocation/${params.id}`, detail: { address, mac } });
      },
    }),
  ];
}

function leaseRoutes(db: Db): Route[] {
  const tag = 'leases';
  return [
    defineRoute({
      method: 'get',
      path: '/leases',
      scope: 'viewer',
      tag,
      summary: 'List leases in the order of their addresses',
      query: n.leaseListQuerySchema,
      answer: pageOf(n.leaseSchema),
      async handle({ query }) {
        const filter = { networkId: query.network === undefined ? undefined : await networkId(db.pool, query.network), state: query.state, q: query.q };
        const { rows, total } = await listLeases(db.pool, filter, pageWindow(query, LARGEST_ADDRESS));
        return toPage({ rows, limit: query.limit, total, cursor: (row) => row.number, view: viewLease });
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/leases/:address',
      scope: 'operator',
      tag,
      summary: 'Release a lease: the address may be given to another machine at once',
      params: n.byAddressSchema,
      refusals: [409],
      async handle({ params, actor }) {
        await releaseLease(db, params.address);
        await writeAudit(db, { actor: actor.name, action: 'lease.release', target: `lease/${params.address}` });
      },
    }),
  ];
}
