/** Who gave values and when: authors of revisions, ends of runs. */
import type { Queryable } from '../db/client.js';
import type { ToldSource } from './describe.js';

/** `by`: the author of the revision; null for what no person wrote. `at`: when it was committed, or the run ended. */
export type Signed<T> = T & { by: string | null; at: string | null };

type Anchor = Pick<ToldSource, 'noderole' | 'revision' | 'run'>;

/** Adds who and when. `deploymentId`: of the subject, for its own revisions; those of other noderoles are of their deployments. */
export async function sign<T extends Anchor>(db: Queryable, deploymentId: number | null, items: readonly T[]): Promise<Signed<T>[]> {
  const others = [...new Set(items.flatMap((item) => (item.revision !== null && item.noderole !== null ? [item.noderole] : [])))];
  const deployments = await deploymentsOf(db, others);
  const deploymentOf = (item: Anchor): number | null => (item.noderole === null ? deploymentId : (deployments.get(item.noderole) ?? null));
  const revisions = await readRevisions(
    db,
    items.flatMap((item) => {
      const deployment = deploymentOf(item);
      return item.revision === null || deployment === null ? [] : [{ deployment, revision: item.revision }];
    }),
  );
  const ends = await readEnds(
    db,
    items.flatMap((item) => item.run ?? []),
  );
  return items.map((item) => {
    const revision = item.revision === null ? undefined : revisions.get(`${deploymentOf(item)} ${item.revision}`);
    const ended = item.run === null ? undefined : ends.get(item.run);
    return { ...item, by: revision?.author ?? null, at: (revision?.at ?? ended)?.toISOString() ?? null };
  });
}

async function deploymentsOf(db: Queryable, noderoles: string[]): Promise<Map<string, number>> {
  if (noderoles.length === 0) return new Map();
  const at = (name: string): number => name.lastIndexOf('@');
  const { rows } = await db.query<{ name: string; deployment_id: number }>(
    `SELECT i.role || '@' || i.node AS name, nr.deployment_id FROM unnest($1::text[], $2::text[]) AS i(role, node)
       JOIN roles ro ON ro.name = i.role JOIN nodes n ON n.name = i.node JOIN node_roles nr ON nr.role_id = ro.id AND nr.node_id = n.id`,
    [noderoles.map((name) => name.slice(0, at(name))), noderoles.map((name) => name.slice(at(name) + 1))],
  );
  return new Map(rows.map((row) => [row.name, row.deployment_id]));
}

async function readRevisions(db: Queryable, wanted: { deployment: number; revision: number }[]): Promise<Map<string, { author: string; at: Date }>> {
  if (wanted.length === 0) return new Map();
  const { rows } = await db.query<{ deployment_id: number; revision: number; author: string; at: Date }>(
    `SELECT DISTINCT r.deployment_id, r.revision, r.author, r.at FROM deployment_revisions r
       JOIN unnest($1::int[], $2::int[]) AS i(deployment_id, revision) ON i.deployment_id = r.deployment_id AND i.revision = r.revision`,
    [wanted.map((each) => each.deployment), wanted.map((each) => each.revision)],
  );
  return new Map(rows.map((row) => [`${row.deployment_id} ${row.revision}`, row]));
}

async function readEnds(db: Queryable, runs: number[]): Promise<Map<number, Date>> {
  if (runs.length === 0) return new Map();
  const { rows } = await db.query<{ id: number; ended_at: Date | null }>('SELECT id, ended_at FROM runs WHERE id = ANY($1::bigint[])', [runs]);
  return new Map(rows.flatMap((row) => (row.ended_at === null ? [] : [[row.id, row.ended_at]])));
}
