/** Nodes as the API shows them. */
import type { Db } from '../../db/client.js';
import type { Prisma } from '../../generated/prisma/client.js';
import type { BootServerReport } from '../../nodes/served-rule.js';
import { NotFoundError } from '../../shared/errors.js';
import { pageWindow, toPage } from '../paging.js';
import type { Node, NodeListQuery, Page, StateCounts } from '../schemas.js';
import { countByOwner, emptyCounts } from './counts.js';
import { objectOf, timeOrNull } from './json.js';
import { readBootServers, servedRecord } from './served.js';

const INCLUDED = {
  deployment: { select: { id: true, name: true } },
  nics: { select: { name: true, mac: true, boot: true }, orderBy: { id: 'asc' } },
  status: true,
  bmc: { select: { driver: true, address: true, port: true, username: true, power: true, lastError: true } },
  dhcpEntries: { select: { mac: true, bootenv: true, appliedGen: true, revision: true, deleted: true } },
} as const satisfies Prisma.NodeInclude;

type Row = Prisma.NodeGetPayload<{ include: typeof INCLUDED }>;

/** A page of nodes in id order. */
export async function listNodes(db: Db, where: Prisma.NodeWhereInput, query: { limit: number; after?: string | undefined }): Promise<Page<Node>> {
  const { afterId, take } = pageWindow(query);
  const [rows, total, servers] = await Promise.all([
    db.prisma.node.findMany({ where: { AND: [where, { id: { gt: afterId } }] }, orderBy: { id: 'asc' }, take, include: INCLUDED }),
    db.prisma.node.count({ where }),
    readBootServers(db),
  ]);
  const counts = await countByOwner(
    db,
    'nodeId',
    rows.map((row) => row.id),
  );
  return toPage({ rows, limit: query.limit, total, cursor: (row) => row.id, view: (row) => viewNode(row, counts.get(row.id), servers) });
}

/** One node. Throws NotFoundError. */
export async function readNode(db: Db, id: number): Promise<Node> {
  const [row, servers, counts] = await Promise.all([
    db.prisma.node.findUnique({ where: { id }, include: INCLUDED }),
    readBootServers(db),
    countByOwner(db, 'nodeId', [id]),
  ]);
  if (row === null) throw new NotFoundError('node', id);
  return viewNode(row, counts.get(id), servers);
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

function viewNode(row: Row, counts: StateCounts | undefined, servers: BootServerReport[]): Node {
  const { status, bmc } = row;
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
    dhcp_options: objectOf(row.dhcpOptions),
    desired: { bootenv: row.bootenv, generation: row.desiredGen, reason: row.bootReason },
    // What runs Prybar is booted by nobody: there is nothing to serve.
    served:
      row.kind !== 'machine'
        ? { bootenv: row.bootenv, generation: row.desiredGen, served: true }
        : servedRecord({ desiredGen: row.desiredGen, nics: row.nics, entries: row.dhcpEntries, servers }),
    observed: {
      bootenv: status?.bootenv ?? null,
      boot_id: status?.bootId ?? null,
      class: status?.bootClass ?? null,
      phase: status?.phase ?? 'unseen',
      phase_detail: status?.phaseDetail ?? '',
      phase_at: timeOrNull(status?.phaseAt ?? null),
      address: status?.address ?? null,
      heartbeat_at: timeOrNull(status?.heartbeatAt ?? null),
    },
    nics: row.nics,
    bmc:
      bmc === null ? null : { driver: bmc.driver, address: bmc.address, port: bmc.port, username: bmc.username, power: bmc.power, last_error: bmc.lastError },
    noderoles: counts ?? emptyCounts(),
    created_at: row.createdAt.toISOString(),
  };
}
