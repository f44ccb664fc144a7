/** What of a run's inputs may be shown: secrets of its own attribs, of those it wants, and of the walls of its parents. */
import type { Queryable } from '../db/client.js';
import { isJsonObject, type JsonObject } from '../shared/json.js';
import { pathKeys, valueAt, withValueAt, type Attrib } from './names.js';
import { hasSecrets, maskData, maskValue, secretsIn } from './secrets.js';

type Row = { attribs: Attrib[]; wanted: { at: string; schema: JsonObject }[] | null };

/** Which parts of the inputs have a schema that calls something secret. */
type Secrets = { attribs: Attrib[]; wanted: { at: string; schema: JsonObject }[]; parents: Map<string, Attrib[]> };

async function secretsOfInputs(db: Queryable, roleId: number, inputs: JsonObject): Promise<Secrets | null> {
  const { rows } = await db.query<Row>(
    `SELECT ro.attribs, (
       SELECT jsonb_agg(jsonb_build_object('at', w.at, 'schema', a->'schema')) FROM wants_of(ro.wants) w JOIN roles wr ON wr.name = w.role
        CROSS JOIN LATERAL jsonb_array_elements(wr.attribs) a WHERE a->>'name' = w.attrib AND jsonb_typeof(a->'schema') = 'object') AS wanted
       FROM roles ro WHERE ro.id = $1`,
    [roleId],
  );
  const walls = isJsonObject(inputs.parents) ? Object.keys(inputs.parents) : [];
  const roleOf = (wall: string): string => wall.slice(0, wall.lastIndexOf('@'));
  const parents = new Map<string, Attrib[]>();
  if (walls.length > 0) {
    const found = await db.query<{ name: string; attribs: Attrib[] }>('SELECT name, attribs FROM roles WHERE name = ANY($1)', [walls.map(roleOf)]);
    const byRole = new Map(found.rows.map((row) => [row.name, row.attribs]));
    for (const wall of walls) parents.set(wall, byRole.get(roleOf(wall)) ?? []);
  }
  const row = rows[0];
  const secrets = { attribs: row?.attribs ?? [], wanted: row?.wanted ?? [], parents };
  const all = [...secrets.attribs, ...secrets.wanted.map(({ at, schema }) => ({ name: at, schema })), ...[...parents.values()].flat()];
  return hasSecrets(all) ? secrets : null;
}

/** The inputs with `***` in every secret place. */
export async function maskInputs(db: Queryable, roleId: number, inputs: JsonObject): Promise<JsonObject> {
  const secrets = await secretsOfInputs(db, roleId, inputs);
  if (secrets === null) return inputs;
  let masked = maskData(secrets.attribs, inputs);
  for (const { at, schema } of secrets.wanted) {
    const value = valueAt(inputs, pathKeys(at));
    if (value !== undefined) masked = withValueAt(masked, pathKeys(at), maskValue(schema, value));
  }
  if (!isJsonObject(masked.parents)) return masked;
  const walls = Object.entries(masked.parents).map(([name, wall]) => [name, isJsonObject(wall) ? maskData(secrets.parents.get(name) ?? [], wall) : wall]);
  return { ...masked, parents: Object.fromEntries(walls) };
}

/** Runs whose secrets are remembered: an agent sends its log in many pieces. */
const REMEMBERED = 1000;
const remembered = new Map<number, string[]>();

/** Secret strings among the frozen inputs of a run; for the log of an agent, which comes to a process that did not start it. */
export async function secretsOfRun(db: Queryable, runId: number): Promise<string[]> {
  const known = remembered.get(runId);
  if (known) return known;
  const { rows } = await db.query<{ role_id: number; inputs: JsonObject | null }>('SELECT role_id, inputs FROM runs WHERE id = $1', [runId]);
  const row = rows[0];
  if (!row?.inputs) return [];
  const secrets = await secretsOfInputs(db, row.role_id, row.inputs);
  const found = secrets === null ? [] : collect(secrets, row.inputs);
  const [oldest] = remembered.keys();
  if (remembered.size >= REMEMBERED && oldest !== undefined) remembered.delete(oldest);
  remembered.set(runId, found);
  return found;
}

function collect({ attribs, wanted, parents }: Secrets, inputs: JsonObject): string[] {
  const ofWanted = wanted.flatMap(({ at, schema }) => {
    const value = valueAt(inputs, pathKeys(at));
    return value === undefined ? [] : secretsIn([{ name: 'value', schema }], { value });
  });
  const ofParents = isJsonObject(inputs.parents)
    ? Object.entries(inputs.parents).flatMap(([name, wall]) => (isJsonObject(wall) ? secretsIn(parents.get(name) ?? [], wall) : []))
    : [];
  return [...new Set([...secretsIn(attribs, inputs), ...ofWanted, ...ofParents])];
}
