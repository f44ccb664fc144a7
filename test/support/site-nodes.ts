/** Machines on a network, as the rows that boot servers follow: written through the domains that write them. */
import type { Db } from '../../src/db/client.js';
import { withTransaction } from '../../src/db/client.js';
import { rewriteEntries } from '../../src/roles/builtin/dhcp-database.js';

export type SiteNode = { name: string; mac: string; address?: string; bootenv: string };

/** Makes the nodes with one NIC each, their reservations and their entries; returns their ids. */
export async function addSiteNodes(db: Pick<Db, 'pool'>, networkId: number, nodes: readonly SiteNode[]): Promise<number[]> {
  return withTransaction(db.pool, async (tx) => {
    const { rows: systems } = await tx.query<{ id: number }>('SELECT id FROM deployments WHERE system');
    const { rows } = await tx.query<{ id: number; name: string }>(
      `INSERT INTO nodes (name, deployment_id, bootenv, desired_gen) SELECT w.name, $1, w.bootenv, 1 FROM unnest($2::text[], $3::text[]) AS w(name, bootenv) RETURNING id, name`,
      [systems[0]?.id, nodes.map((node) => node.name), nodes.map((node) => node.bootenv)],
    );
    const idOf = new Map(rows.map((row) => [row.name, row.id]));
    for (const node of nodes) {
      await tx.query('INSERT INTO nics (node_id, mac, boot) VALUES ($1, $2, true)', [idOf.get(node.name), node.mac]);
      if (node.address !== undefined)
        await tx.query('INSERT INTO reservations (network_id, address, mac, node_id) VALUES ($1, $2, $3, $4)', [
          networkId,
          node.address,
          node.mac,
          idOf.get(node.name),
        ]);
    }
    const ids = nodes.map((node) => idOf.get(node.name) ?? 0);
    await rewriteEntries(tx, ids);
    return ids;
  });
}

/** Lets a node boot something else, as the API and the roles do; returns the table's revision with it. */
export async function bootInto(db: Pick<Db, 'pool'>, nodeId: number, bootenv: string): Promise<number | null> {
  return withTransaction(db.pool, async (tx) => {
    await tx.query('UPDATE nodes SET bootenv = $2, desired_gen = desired_gen + 1 WHERE id = $1', [nodeId, bootenv]);
    return rewriteEntries(tx, [nodeId]);
  });
}
