/** The history of a deployment: who committed what, when, and what it changed. Reads only. */
import type { Attrib } from '../attribs/names.js';
import type { Queryable } from '../db/client.js';
import { ConflictError, NotFoundError } from '../shared/errors.js';
import type { JsonObject } from '../shared/json.js';
import { valueChanges, type ValueChange } from './plan-data.js';

/** `noderoles`: how many left PROPOSED; `data`: containers whose data changed; `unbound`: noderoles that were gone. */
export type RevisionHead = { revision: number; author: string; comment: string; at: Date; noderoles: number; data: number; unbound: number };

/** A noderole as `role@node`, or with `node` null the data of a role in the deployment. Secret values are `***`. */
export type RevisionChange = { role: string; node: string | null; change: 'bound' | 'again' | 'data' | 'unbound'; values: ValueChange[] };
export type Revision = RevisionHead & { changes: RevisionChange[] };

type Row = {
  role: string;
  node: string | null;
  change: RevisionChange['change'];
  before: JsonObject | null;
  after: JsonObject | null;
  attribs: Attrib[] | null;
};

const HEAD = `SELECT r.revision, r.author, r.comment, r.at,
    (SELECT count(*) FROM deployment_changes c WHERE c.deployment_id = r.deployment_id AND c.revision = r.revision AND c.change IN ('bound', 'again'))::int AS noderoles,
    (SELECT count(*) FROM deployment_changes c WHERE c.deployment_id = r.deployment_id AND c.revision = r.revision AND c.change <> 'unbound' AND c.before IS DISTINCT FROM c.after AND c.after <> '{}')::int AS data,
    (SELECT count(*) FROM deployment_changes c WHERE c.deployment_id = r.deployment_id AND c.revision = r.revision AND c.change = 'unbound')::int AS unbound
  FROM deployment_revisions r JOIN deployments d ON d.id = r.deployment_id WHERE r.deployment_id = $1 AND r.revision > d.revisions_forgotten_to`;

/** Newest first, those before `before`. */
export async function listRevisions(
  db: Queryable,
  deploymentId: number,
  page: { before?: number | undefined; limit: number },
): Promise<{ items: RevisionHead[]; total: number }> {
  const { rows } = await db.query<RevisionHead>(`${HEAD} AND ($2::int IS NULL OR r.revision < $2) ORDER BY r.revision DESC LIMIT $3`, [
    deploymentId,
    page.before ?? null,
    page.limit,
  ]);
  const total = await db.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM deployment_revisions r JOIN deployments d ON d.id = r.deployment_id WHERE d.id = $1 AND r.revision > d.revisions_forgotten_to',
    [deploymentId],
  );
  return { items: rows, total: total.rows[0]?.n ?? 0 };
}

/** Throws NotFoundError; ConflictError for one that is forgotten. */
export async function readRevision(db: Queryable, deploymentId: number, revision: number): Promise<Revision> {
  await refuseUnknown(db, deploymentId, revision);
  const head = await db.query<RevisionHead>(`${HEAD} AND r.revision = $2`, [deploymentId, revision]);
  if (head.rows[0] === undefined) throw new NotFoundError('revision', revision);
  const { rows } = await db.query<Row>(
    `SELECT c.role, c.node, c.change, c.before, c.after, ro.attribs FROM deployment_changes c LEFT JOIN roles ro ON ro.id = c.role_id
      WHERE c.deployment_id = $1 AND c.revision = $2 ORDER BY c.id`,
    [deploymentId, revision],
  );
  return { ...head.rows[0], changes: rows.map(viewChange) };
}

/** What differs in the deployment between two of its revisions, from the first to the second. Throws NotFoundError. */
export async function diffRevisions(db: Queryable, deploymentId: number, from: number, to: number): Promise<RevisionChange[]> {
  for (const revision of [from, to]) await refuseUnknown(db, deploymentId, revision);
  const { rows } = await db.query<Row & { was: boolean; is: boolean }>(
    `SELECT coalesce(b.role, a.role) AS role, coalesce(b.node, a.node) AS node, coalesce(a.bound, false) AS was, coalesce(b.bound, false) AS is,
            a.data AS before, b.data AS after, ro.attribs, 'data' AS change
       FROM deployment_at($1, $2) a FULL JOIN deployment_at($1, $3) b ON b.node_role_id IS NOT DISTINCT FROM a.node_role_id AND b.role_id = a.role_id
       LEFT JOIN roles ro ON ro.id = coalesce(b.role_id, a.role_id)
      WHERE a.bound IS DISTINCT FROM b.bound OR a.bound AND a.data <> b.data ORDER BY 2 NULLS FIRST, 1`,
    [deploymentId, from, to],
  );
  return rows.map((row) =>
    viewChange({
      ...row,
      change: row.was === row.is ? 'data' : row.is ? 'bound' : 'unbound',
      before: row.was ? row.before : null,
      after: row.is ? row.after : null,
    }),
  );
}

/** Throws NotFoundError; ConflictError `revision-forgotten` for one whose changes are kept no longer (`retention.ts`). */
export async function refuseUnknown(db: Queryable, deploymentId: number, revision: number): Promise<void> {
  const { rows } = await db.query<{ forgotten_to: number }>(
    `SELECT d.revisions_forgotten_to AS forgotten_to FROM deployment_revisions r JOIN deployments d ON d.id = r.deployment_id WHERE r.deployment_id = $1 AND r.revision = $2`,
    [deploymentId, revision],
  );
  const found = rows[0];
  if (found === undefined) throw new NotFoundError('revision', revision);
  if (revision <= found.forgotten_to)
    throw new ConflictError(`what revision ${revision} changed is kept no longer; the oldest that is kept is ${found.forgotten_to + 1}`, {
      code: 'revision-forgotten',
    });
}

function viewChange({ role, node, change, before, after, attribs }: Row): RevisionChange {
  // A role that was deleted took its schema along: what was secret in it is known no more, so nothing is shown.
  const values = attribs === null ? [] : valueChanges(attribs, before ?? {}, after ?? {});
  return { role, node, change, values };
}
