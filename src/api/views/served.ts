/**
 * What the boot servers answer a node, for showing it: the same rule as `nodes/served.ts` decides by (engine-rules 6),
 * computed for a page of nodes from one reading of the servers. Nothing is decided from this.
 */
import type { Db } from '../../db/client.js';

/** Lowest revision that the servers of the confirming set answer; null when the set is empty. */
export type Floor = number | null;

type Entry = { bootenv: string; appliedGen: number; revision: bigint };

/** The floor of all serving and draining servers; a DHCP server must be among them. */
export async function readServedFloor(db: Db): Promise<Floor> {
  const servers = await db.prisma.bootServer.findMany({ where: { status: { in: ['serving', 'draining'] } }, select: { kind: true, servedRevision: true } });
  if (!servers.some((server) => server.kind === 'dhcp')) return null;
  return Math.min(...servers.map((server) => Number(server.servedRevision)));
}

/** The served record of a node with these entries, one for each NIC. */
export function servedRecord(entries: readonly Entry[], desiredGeneration: number, floor: Floor): { bootenv: string | null; generation: number; served: boolean } {
  const first = entries[0];
  if (first === undefined) return { bootenv: null, generation: 0, served: false };
  const generation = Math.min(...entries.map((entry) => entry.appliedGen));
  const revision = Math.max(...entries.map((entry) => Number(entry.revision)));
  return { bootenv: first.bootenv, generation, served: generation >= desiredGeneration && floor !== null && floor >= revision };
}
