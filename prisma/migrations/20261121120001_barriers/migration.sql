-- A cluster role has one barrier noderole in each deployment: its members point to it, dependants have one edge from it
-- (engine-rules 24). `slack` is how many of its committed parents may be not ACTIVE for it to be ready: 0 for everything
-- but a barrier with a quorum.
ALTER TABLE "node_roles" ADD COLUMN "barrier" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "node_roles" ADD COLUMN "quorum" INTEGER;
ALTER TABLE "node_roles" ADD COLUMN "slack" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "node_roles" DROP CONSTRAINT "node_roles_todo_has_no_pending_parent";
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_todo_is_ready" CHECK ("state" <> 'TODO' OR "pending_parents" <= "slack");
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_slack_only_of_barriers" CHECK ("slack" = 0 OR ("barrier" AND "slack" > 0));
-- Binding looks for the nearest noderole of a role in a deployment: the lowest id.
CREATE INDEX "node_roles_deployment_id_role_id_id_idx" ON "node_roles"("deployment_id", "role_id", "id");

-- Reruns that nothing from outside asked for, counted so that values which chase each other end in ERROR `unstable`
-- (engine-rules 8).
ALTER TABLE "node_roles" ADD COLUMN "reruns" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "node_roles" ADD COLUMN "reruns_since" TIMESTAMPTZ(3);
ALTER TABLE "node_roles" ADD COLUMN "outside_at" TIMESTAMPTZ(3);

-- The boot in which a run last started or went on: what its success is valid for (engine-rules 9, 16).
ALTER TABLE "runs" ADD COLUMN "boot_epoch" INTEGER;
