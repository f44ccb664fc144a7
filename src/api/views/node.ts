/** Nodes as the API shows them. */
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import type { BootServerReport } from '../../nodes/served-rule.js';
import { NotFoundError } from '../../shared/errors.js';
import { pageWindow, toPage } from '../paging.js';
import type { Node, NodeListQuery, Page } from '../schemas.js';
import { emptyCounts } from './counts.js';
import { objectOf, timeOrNull } from './json.js';
import { readNodeRows, type NodeRow } from './node-rows.js';
import { readBootServers, servedRecord } from './served.js';

/** A page of nodes in id order. */
export async function listNodes(db: Db, where: Prisma.NodeWhereInput, query: { limit: number; after?: string | undefined }): Promise<Page<Node>> {
  const { afterId, take } = pageWindow(query);
  const [ids, total, servers] = await Promise.all([
    db.prisma.node.findMany({ where: { AND: [where, { id: { gt: afterId } }] }, orderBy: { id: 'asc' }, take, select: { id: true } }),
    db.prisma.node.count({ where }),
    readBootServers(db),
  ]);
  const rows = await readNodeRows(
    db,
    ids.map(({ id }) => id),
  );
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: (row) => viewNode(row, servers) });
}

/** One node. Throws NotFoundError. */
export async function readNode(db: Db, id: number): Promise<Node> {
  const [[row], servers] = await Promise.all([readNodeRows(db, [id]), readBootServers(db)]);
  if (row === undefined) throw new NotFoundError('node', id);
  return viewNode(row, servers);
}

/** The filters of a list as Prisma says them; `deploymentId` is the deployment filter, looked up. */
export function nodeFilter(
  query: Pick<NodeListQuery, 'bootenv' | 'phase' | 'state' | 'q'> & { alive?: boolean | undefined; available?: boolean | undefined },
  deploymentId: number | undefined,
): Prisma.NodeWhereInput {
  const parts: Prisma.NodeWhereInput[] = [];
  if (deploymentId !== undefined) parts.push({ deploymentId });
  if (query.alive !== undefined) parts.push({ alive: query.alive });
  if (query.available !== undefined) parts.push({ available: query.available });
  if (query.bootenv !== undefined) parts.push({ bootenv: query.bootenv });
  if (query.phase !== undefined) parts.push({ status: { phase: query.phase } });
  if (query.state !== undefined) parts.push({ nodeRoles: { some: { state: query.state } } });
  if (query.q !== undefined && query.q !== '') parts.push(textFilter(query.q));
  return { AND: parts };
}

function textFilter(text: string): Prisma.NodeWhereInput {
  // LIKE's own signs stand for themselves.
  const contains = { contains: text.replaceAll(/[\\%_]/g, '\\$&'), mode: 'insensitive' } as const;
  return { OR: [{ name: contains }, { serial: contains }, { nics: { some: { mac: contains } } }, { status: { address: contains } }] };
}

function viewNode(row: NodeRow, servers: BootServerReport[]): Node {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    deployment: row.deployment,
    kind: row.kind,
    alive: row.alive,
    available: row.available,
    arch: row.arch,
    uuid: row.uuid,
    serial: row.serial,
    dhcp_options: objectOf(row.dhcp_options),
    desired: { bootenv: row.bootenv, generation: row.desired_gen, reason: row.boot_reason },
    // What runs Prybar is booted by nobody: there is nothing to serve.
    served:
      row.kind !== 'machine'
        ? { bootenv: row.bootenv, generation: row.desired_gen, served: true }
        : servedRecord({ desiredGen: row.desired_gen, nics: row.nics, entries: row.entries, servers }),
    observed: {
      bootenv: row.booted,
      boot_id: row.boot_id,
      class: row.boot_class,
      phase: row.phase ?? 'unseen',
      phase_detail: row.phase_detail ?? '',
      phase_at: timeOrNull(row.phase_at),
      address: row.address,
      heartbeat_at: timeOrNull(row.heartbeat_at),
    },
    nics: row.nics,
    bmc: row.bmc,
    noderoles: { ...emptyCounts(), ...row.counts },
    created_at: row.created_at.toISOString(),
  };
}
