/** What starting reads of its runs, one statement and so one snapshot for a batch: `start_read` in prisma/functions/25_start.sql. */
import type { Attrib } from '../attribs/names.js';
import type { Wanted } from '../attribs/wanted.js';
import { numberArray } from '../db/arrays.js';
import type { Queryable } from '../db/client.js';
import type { ParentWall } from '../noderoles/data.js';
import type { JsonObject } from '../shared/json.js';

export type RunRow = {
  id: number;
  fence: number;
  attempt: number;
  jig: string;
  noderole_id: number;
  role_id: number;
  want_gen: number;
  pending_parents: number;
  slack: number;
  node_id: number;
  node_name: string;
  node_arch: string;
  node_kind: string;
  boot_epoch: number;
};

/** What most runs have nothing of. */
export type MoreRow = {
  inputs: JsonObject | null;
  memo: JsonObject;
  wake_reason: string | null;
  expected_boot: { class: string; otherwise: 'fail' | 'wake' } | null;
  last_ok_hash: string | null;
  last_ok_epoch: number | null;
  force_run: boolean;
  /** Destructive, and its installation is complete. */
  installed: boolean;
  committed_data: JsonObject;
  sysdata: JsonObject;
  revisions: JsonObject;
  deployment_data: JsonObject | null;
  deployment_revisions: JsonObject | null;
  deployment_wall: JsonObject | null;
  parents: Record<string, ParentWall>;
  /** Null when the role wants nothing. */
  wanted: Wanted[] | null;
};

/** `memo` is the jig's own to look at, so each run is given another. */
export const nothingMore = (): MoreRow => ({
  inputs: null,
  memo: {},
  wake_reason: null,
  expected_boot: null,
  last_ok_hash: null,
  last_ok_epoch: null,
  force_run: false,
  installed: false,
  committed_data: {},
  sysdata: {},
  revisions: {},
  deployment_data: null,
  deployment_revisions: null,
  deployment_wall: null,
  parents: {},
  wanted: null,
});

/** Shared by the runs of a batch: nobody writes to it. */
export type RoleRow = {
  role_id: number;
  role_name: string;
  template: JsonObject;
  attribs: Attrib[];
  jig_config: JsonObject;
  timeout_seconds: number;
  validity: string;
  destructive: boolean;
};

/** Side by side, not merged: an object of thirty keys made for each run costs more than the rest of its start. */
export type Row = { run: RunRow; more: MoreRow; role: RoleRow };

/** What runs are frozen from, by id; those that cannot be started have none. */
export async function readRuns(db: Queryable, ids: number[]): Promise<Map<number, Row>> {
  const { rows } = await db.query<{ read: string }>({ name: 'start-read', text: 'SELECT start_read($1) AS read', values: [numberArray(ids)] });
  const read = JSON.parse(rows[0]?.read ?? '{"runs":[],"roles":[]}') as { runs: (RunRow & { more: MoreRow | null })[]; roles: RoleRow[] };
  const roles = new Map(read.roles.map((role) => [role.role_id, role]));
  return new Map(
    read.runs.flatMap((run) => {
      const role = roles.get(run.role_id);
      return role === undefined ? [] : [[run.id, { run, more: run.more ?? nothingMore(), role }]];
    }),
  );
}
