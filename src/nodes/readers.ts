/** A change of a node's attribs, told to the noderoles that want them: prisma/functions/52_new_walls.sql finds them. */
import type { Tx } from '../db/client.js';

/** JSON texts of what is known of a node and what is wished for it: its attribs are the second over the first. */
export type NodeAttribs = { discovery: string; hint: string };

/** Noderoles on the node that want an attrib of it which is another one now are wanted again (DESIGN rule 9). The caller holds its lock. */
export async function tellReaders(tx: Tx, nodeId: number, before: NodeAttribs, after: NodeAttribs): Promise<void> {
  await tx.query('SELECT emit_events(tell_node_readers($1, overlay_json($2::jsonb, $3::jsonb), overlay_json($4::jsonb, $5::jsonb)))', [
    nodeId,
    before.discovery,
    before.hint,
    after.discovery,
    after.hint,
  ]);
}
