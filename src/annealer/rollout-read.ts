/** Reads a rollout as the rule (`rollout.ts`) sees it: for the API and for `why`. */
import type { Queryable } from '../db/client.js';
import type { RolloutPolicy } from '../deployments/rollouts.js';
import { explainHold, placeKey, type Member, type RolloutPhase, type RolloutStatus, type RolloutView } from './rollout.js';

export type RolloutRow = {
  id: number;
  deployment_id: number;
  revision: number;
  policy: RolloutPolicy;
  status: RolloutStatus;
  phase: RolloutPhase;
  reason: string | null;
  started_at: Date;
  changed_at: Date;
  ended_at: Date | null;
};
export type RolloutGroup = { key: string; nodes: number; max_in_flight: number; in_flight: number };

/** The last rollout of a deployment, whatever its status; undefined when there never was one. */
export async function lastRollout(db: Queryable, deploymentId: number): Promise<RolloutRow | undefined> {
  const { rows } = await db.query<RolloutRow>('SELECT * FROM rollouts WHERE deployment_id = $1 ORDER BY id DESC LIMIT 1', [deploymentId]);
  return rows[0];
}

/** The rollout as the rule sees it, and its groups. */
export async function readRolloutView(db: Queryable, row: RolloutRow): Promise<{ view: RolloutView; groups: RolloutGroup[] }> {
  const [members, groups, places] = await Promise.all([
    db.query<{
      node_role_id: number;
      node_id: number;
      group_key: string;
      canary: boolean;
      begun: boolean;
      state: Member['state'];
      fault: number | null;
      accepted: boolean;
    }>('SELECT * FROM rollout_faults($1) ORDER BY node_role_id', [row.id]),
    db.query<RolloutGroup>('SELECT key, nodes, max_in_flight, in_flight FROM rollout_groups WHERE rollout_id = $1 ORDER BY key', [row.id]),
    db.query<{ group_key: string; node_id: number }>('SELECT group_key, node_id FROM rollout_places WHERE rollout_id = $1', [row.id]),
  ]);
  const view: RolloutView = {
    status: row.status,
    phase: row.phase,
    reason: row.reason,
    pauseAbove: Number(row.policy.pause_above),
    minSample: row.policy.min_sample,
    max: new Map(groups.rows.map((group) => [group.key, group.max_in_flight])),
    members: members.rows.map((one) => ({
      id: one.node_role_id,
      nodeId: one.node_id,
      group: one.group_key,
      canary: one.canary,
      begun: one.begun,
      state: one.state,
      fault: one.fault === null ? 'none' : one.accepted ? 'accepted' : 'new',
    })),
    places: new Set(places.rows.map((place) => placeKey(place.group_key, place.node_id))),
  };
  return { view, groups: groups.rows };
}

/** Why a rollout holds this noderole back, in words; null when none does. */
export async function rolloutHold(db: Queryable, nodeRoleId: number): Promise<{ text: string; unblock: string } | null> {
  const { rows } = await db.query<RolloutRow & { deployment: string }>(
    `SELECT r.*, d.name AS deployment FROM rollout_members m JOIN rollouts r ON r.id = m.rollout_id JOIN deployments d ON d.id = r.deployment_id
      WHERE m.node_role_id = $1 AND r.status IN ('running', 'paused', 'aborted')`,
    [nodeRoleId],
  );
  const row = rows[0];
  if (!row) return null;
  const { view } = await readRolloutView(db, row);
  const member = view.members.find((one) => one.id === nodeRoleId);
  return member ? explainHold(view, member, row.deployment) : null;
}
