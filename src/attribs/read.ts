/** Reads containers with their buckets, for what is told of attribs. Nothing is locked: what is told may be old at once. */
import type { Queryable } from '../db/client.js';
import { NotFoundError } from '../shared/errors.js';
import type { JsonObject } from '../shared/json.js';
import type { Subject, WantedAttrib } from './describe.js';
import { NODE_SCOPE, type Attrib } from './names.js';
import type { Layer } from './provenance.js';
import { layersOfWanted, type Wanted } from './wanted.js';

type Want = { at: string; attrib: string; role: string | null };
type DataRow = {
  id: number;
  name: string;
  role: string;
  attribs: Attrib[];
  template: JsonObject;
  deployment_wall: JsonObject;
  deployment_wall_run: number | null;
  deployment_committed: JsonObject;
  deployment_revisions: JsonObject;
};
type NodeRoleRow = DataRow & {
  wall: JsonObject;
  wall_run: number | null;
  sysdata: JsonObject;
  committed: JsonObject;
  revisions: JsonObject;
  proposed: JsonObject | null;
  wants: Want[] | null;
  wanted: Wanted[] | null;
};

const DEPLOYMENT_ROLE = `coalesce(dr.wall, '{}') AS deployment_wall, dr.wall_run_id AS deployment_wall_run,
  coalesce(dr.committed_data, '{}') AS deployment_committed, coalesce(dr.data_revisions, '{}') AS deployment_revisions`;

/** Throws NotFoundError. */
export async function readNodeRoleSubject(db: Queryable, id: number): Promise<Subject> {
  const { rows } = await db.query<NodeRoleRow>(
    `SELECT nr.id, ro.name || '@' || n.name AS name, ro.name AS role, ro.attribs, ro.template, ${DEPLOYMENT_ROLE},
            nr.wall, nr.wall_run_id AS wall_run, nr.sysdata, nr.committed_data AS committed, nr.data_revisions AS revisions, nr.proposed_data AS proposed,
            (SELECT jsonb_agg(jsonb_build_object('at', w.at, 'attrib', w.attrib, 'role', w.role)) FROM wants_of(ro.wants) w
              WHERE w.role IS DISTINCT FROM ro.name AND (w.role IS NOT NULL OR w.attrib NOT IN ('parents', 'no-members'))) AS wants,
            wanted_values(nr.id, ro.wants, n.discovery, n.hint) AS wanted
       FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id
       LEFT JOIN deployment_roles dr ON dr.deployment_id = nr.deployment_id AND dr.role_id = nr.role_id WHERE nr.id = $1`,
    [id],
  );
  const row = rows[0];
  if (!row) throw new NotFoundError('noderole', id);
  return {
    ...subjectOf('noderole', row),
    layers: [
      ...lowerLayers(row),
      { bucket: 'noderole.wall', data: row.wall, run: row.wall_run },
      { bucket: 'noderole.sysdata', data: row.sysdata },
      { bucket: 'noderole.committed', data: row.committed, revisions: row.revisions },
    ],
    proposed: row.proposed === null ? null : { bucket: 'noderole.proposed', data: row.proposed },
    wanted: (row.wants ?? []).map((want) => wantedAttrib(want, row.wanted ?? [])),
  };
}

/** Throws NotFoundError. */
export async function readDeploymentRoleSubject(db: Queryable, id: number): Promise<Subject> {
  const { rows } = await db.query<DataRow & { proposed: JsonObject | null }>(
    `SELECT dr.id, d.name || '/' || ro.name AS name, ro.name AS role, ro.attribs, ro.template, ${DEPLOYMENT_ROLE}, dr.proposed_data AS proposed
       FROM deployment_roles dr JOIN deployments d ON d.id = dr.deployment_id JOIN roles ro ON ro.id = dr.role_id WHERE dr.id = $1`,
    [id],
  );
  const row = rows[0];
  if (!row) throw new NotFoundError('deployment role', id);
  return {
    ...subjectOf('deployment_role', row),
    layers: lowerLayers(row),
    proposed: row.proposed === null ? null : { bucket: 'deployment_role.proposed', data: row.proposed },
    wanted: [],
  };
}

/** Throws NotFoundError. */
export async function readNodeSubject(db: Queryable, id: number): Promise<Subject> {
  const { rows } = await db.query<{ id: number; name: string; discovery: JsonObject; hint: JsonObject; attribs: Attrib[] }>(
    `SELECT id, name, discovery, hint,
            (SELECT coalesce(jsonb_agg(a ORDER BY a->>'name'), '[]') FROM barclamps b CROSS JOIN LATERAL jsonb_array_elements(b.attribs) a) AS attribs
       FROM nodes WHERE id = $1`,
    [id],
  );
  const row = rows[0];
  if (!row) throw new NotFoundError('node', id);
  return {
    kind: 'node',
    id: row.id,
    name: row.name,
    scope: NODE_SCOPE,
    attribs: row.attribs,
    layers: [
      { bucket: 'node.discovery', data: row.discovery },
      { bucket: 'node.hint', data: row.hint },
    ],
    proposed: null,
    wanted: [],
  };
}

const subjectOf = (kind: Subject['kind'], row: DataRow) => ({ kind, id: row.id, name: row.name, scope: row.role, attribs: row.attribs });

function lowerLayers(row: DataRow): Layer[] {
  const defaults = Object.fromEntries(row.attribs.flatMap(({ name, default: value }) => (value === undefined ? [] : [[name, value]])));
  return [
    { bucket: 'attrib.default', data: defaults },
    { bucket: 'role.template', data: row.template },
    { bucket: 'deployment_role.wall', data: row.deployment_wall, run: row.deployment_wall_run },
    { bucket: 'deployment_role.committed', data: row.deployment_committed, revisions: row.deployment_revisions },
  ];
}

function wantedAttrib({ at, attrib, role }: Want, rows: readonly Wanted[]): WantedAttrib {
  const row = rows.find((each) => each.at === at);
  return { at, scoped: `${role ?? NODE_SCOPE}/${attrib}`, schema: row?.schema ?? null, layers: row === undefined ? [] : layersOfWanted(row) };
}

/** Noderoles that want this attrib of the noderole, by name. */
export async function readReaders(db: Queryable, nodeRoleId: number, attrib: string): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `SELECT ro.name || '@' || n.name AS name FROM attrib_links l JOIN node_roles c ON c.id = l.child_id JOIN roles ro ON ro.id = c.role_id JOIN nodes n ON n.id = c.node_id
      WHERE l.parent_id = $1 AND l.attrib = $2 ORDER BY c.id LIMIT 100`,
    [nodeRoleId, attrib],
  );
  return rows.map((row) => row.name);
}
