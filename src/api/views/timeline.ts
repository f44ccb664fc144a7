/** A node's life in lines: its boots, its runs and its installations, merged by time. */
import type { Db } from '../../db/client.js';
import { pageWindow, toPage, type PageQuery } from '../paging.js';
import type { BootEvent, Page, Timeline, TimelineItem } from '../schemas.js';
import { idOf, objectOf } from './json.js';

/** A page of the steps seen of the node's MACs, the newest first. */
export async function listBootEvents(db: Db, nodeId: number, query: PageQuery): Promise<Page<BootEvent>> {
  const { afterId, take } = pageWindow(query, Number.MAX_SAFE_INTEGER);
  const macs = (await db.prisma.nic.findMany({ where: { nodeId }, select: { mac: true } })).map((nic) => nic.mac);
  const where = { OR: [{ nodeId }, { mac: { in: macs } }] };
  const [rows, total] = await Promise.all([
    db.prisma.bootEvent.findMany({ where: query.after === undefined ? where : { AND: [where, { id: { lt: afterId } }] }, orderBy: { id: 'desc' }, take }),
    db.prisma.bootEvent.count({ where }),
  ]);
  return toPage({
    rows,
    limit: query.limit,
    total,
    cursor: (row) => row.id,
    view: (row) => ({ id: idOf(row.id), mac: row.mac, at: row.at.toISOString(), kind: row.kind, detail: objectOf(row.detail) }),
  });
}

type Row = { at: Date; source: TimelineItem['source']; id: number; kind: string; text: string };

/**
 * The newest `limit` lines, the oldest of them first. Each branch reads its own newest rows by index
 * (boot_events_node_id_id_idx, runs_node_id_id_idx, installs_node_id_id_idx) before they are merged.
 */
export async function readTimeline(db: Db, node: { id: number; name: string }, limit: number): Promise<Timeline> {
  const { rows } = await db.pool.query<Row>(
    `SELECT at, source, id, kind, text FROM (
       (SELECT b.at, 'boot' AS source, b.id, b.kind, coalesce(nullif(b.detail->>'text', ''), b.mac) AS text
          FROM boot_events b WHERE b.node_id = $1 ORDER BY b.id DESC LIMIT $2)
       UNION ALL
       (SELECT r.created_at, 'run', r.id, CASE WHEN r.status = 'ENDED' THEN r.outcome::text ELSE lower(r.status::text) END,
               ro.name || ' by ' || r.jig || coalesce(': ' || r.error_message, '')
          FROM runs r JOIN roles ro ON ro.id = r.role_id WHERE r.node_id = $1 ORDER BY r.id DESC LIMIT $2)
       UNION ALL
       (SELECT coalesce(i.ended_at, i.wiping_at, i.fetched_at, i.armed_at), 'install', i.id, i.status::text, i.bootenv
          FROM installs i WHERE i.node_id = $1 ORDER BY i.id DESC LIMIT $2)
     ) lines ORDER BY at DESC, id DESC LIMIT $2`,
    [node.id, limit],
  );
  const items = rows.toReversed().map((row) => ({ at: row.at.toISOString(), source: row.source, id: row.id, kind: row.kind, text: row.text }));
  return { node, items };
}
