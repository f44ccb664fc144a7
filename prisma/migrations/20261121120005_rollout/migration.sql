-- Why: a deployment may be changed a few nodes at a time (rollouts), a node is deleted step by step with every subsystem's
-- consent (finalizers), and power is switched as an effect that was decided in a transaction (power orders).

ALTER TABLE "deployments" ADD COLUMN "rollout_policy" JSONB;
ALTER TABLE "deployments" ADD COLUMN "power_on" TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE "deployments" ADD CONSTRAINT "deployments_power_on_known" CHECK ("power_on" IN ('auto', 'never'));

-- Only the ancestors of this role are claimed on the node: for debugging.
ALTER TABLE "nodes" ADD COLUMN "target_role_id" INTEGER REFERENCES "roles" ("id") ON DELETE SET NULL ON UPDATE CASCADE;

CREATE TABLE "rollouts" (
  "id" SERIAL PRIMARY KEY,
  "deployment_id" INTEGER NOT NULL REFERENCES "deployments" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "revision" INTEGER NOT NULL,
  "policy" JSONB NOT NULL,
  "status" TEXT NOT NULL DEFAULT 'running',
  "phase" TEXT NOT NULL DEFAULT 'fleet',
  "reason" TEXT,
  "version" INTEGER NOT NULL DEFAULT 1,
  "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  "ended_at" TIMESTAMPTZ(3),
  CONSTRAINT "rollouts_status_known" CHECK ("status" IN ('running', 'paused', 'aborted', 'done', 'superseded', 'removed')),
  CONSTRAINT "rollouts_phase_known" CHECK ("phase" IN ('canary', 'fleet'))
);
CREATE INDEX "rollouts_deployment_id_id_idx" ON "rollouts" ("deployment_id", "id");
-- One rollout of a deployment holds claims back; the claim looks here for whether there is any.
CREATE UNIQUE INDEX "rollouts_one_live_per_deployment" ON "rollouts" ("deployment_id") WHERE "status" IN ('running', 'paused', 'aborted');

-- What is limited: a role, a failure domain, or all of it. in_flight is counted anew under the lock of the rollout.
CREATE TABLE "rollout_groups" (
  "rollout_id" INTEGER NOT NULL REFERENCES "rollouts" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "key" TEXT NOT NULL,
  "nodes" INTEGER NOT NULL,
  "max_in_flight" INTEGER NOT NULL,
  "in_flight" INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY ("rollout_id", "key")
);

-- The noderoles that a rollout takes with it. A later rollout takes over what an earlier one has not finished.
CREATE TABLE "rollout_members" (
  "node_role_id" INTEGER PRIMARY KEY REFERENCES "node_roles" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "rollout_id" INTEGER NOT NULL REFERENCES "rollouts" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "node_id" INTEGER NOT NULL,
  "group_key" TEXT NOT NULL,
  "canary" BOOLEAN NOT NULL DEFAULT false,
  "begun" BOOLEAN NOT NULL DEFAULT false,
  "accepted_epoch" INTEGER
);
CREATE INDEX "rollout_members_rollout_id_idx" ON "rollout_members" ("rollout_id");

-- Nodes in flight, by group.
CREATE TABLE "rollout_places" (
  "rollout_id" INTEGER NOT NULL REFERENCES "rollouts" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "group_key" TEXT NOT NULL,
  "node_id" INTEGER NOT NULL,
  PRIMARY KEY ("rollout_id", "group_key", "node_id")
);

CREATE TABLE "node_finalizers" (
  "node_id" INTEGER NOT NULL REFERENCES "nodes" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "subsystem" TEXT NOT NULL,
  "revision" BIGINT,
  "asked_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  "confirmed_at" TIMESTAMPTZ(3),
  "forced_by" TEXT,
  PRIMARY KEY ("node_id", "subsystem")
);

-- Power switched by the engine itself: decided in a transaction, carried out after it, tried again until it is done.
CREATE TABLE "power_orders" (
  "node_id" INTEGER PRIMARY KEY REFERENCES "nodes" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "action" TEXT NOT NULL,
  "cause" TEXT NOT NULL,
  "node_role_id" INTEGER,
  "node_role_version" INTEGER,
  "decided_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  "not_before" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  "attempts" INTEGER NOT NULL DEFAULT 0,
  "done_at" TIMESTAMPTZ(3),
  "last_error" TEXT,
  CONSTRAINT "power_orders_action_known" CHECK ("action" IN ('on', 'off'))
);
