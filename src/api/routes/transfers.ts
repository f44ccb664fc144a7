/** Transfers of boot files: those that run, and those of the last hour. */
import type { Db } from '../../db/client.js';
import { listTransfers, type TransferRow } from '../../nodes/transfer-list.js';
import { nodeId } from '../lookup.js';
import { pageWindow, toPage } from '../paging.js';
import { defineRoute, type Route } from '../route.js';
import { pageOf } from '../schemas.js';
import * as t from '../transfer-schemas.js';

export function transferRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/boot/transfers',
      scope: 'viewer',
      tag: 'boot',
      summary: 'List transfers of boot files by TFTP and HTTP, running and of the last hour, the newest first',
      query: t.transferQuerySchema,
      answer: pageOf(t.transferSchema),
      async handle({ query }) {
        const { afterId, take } = pageWindow(query, Number.MAX_SAFE_INTEGER);
        const { rows, total } = await listTransfers(db.pool, {
          limit: take,
          before: query.after === undefined ? undefined : afterId,
          state: query.state,
          protocol: query.protocol,
          nodeId: query.node === undefined ? undefined : await nodeId(db, query.node),
          mac: query.mac,
          address: query.address,
          search: query.q,
        });
        return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: viewTransfer });
      },
    }),
  ];
}

function viewTransfer(row: TransferRow): t.BootTransfer {
  return { ...row, started_at: row.started_at.toISOString(), updated_at: row.updated_at.toISOString(), ended_at: row.ended_at?.toISOString() ?? null };
}
