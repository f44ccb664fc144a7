-- Why: a noderole changes its state four times on its way and every index of the table is written each time. Each index that
-- is left has its own question; the planner had two answers for some and the claim of a whole fleet had none.

-- What the deployment holds is found by (deployment_id, role_id, id); counting its states reads those rows.
DROP INDEX IF EXISTS "node_roles_deployment_id_state_idx";
-- One index says both "what is bound to the node" and "once for each role".
DROP INDEX "node_roles_role_id_node_id_key";
CREATE UNIQUE INDEX "node_roles_node_id_role_id_key" ON "node_roles" ("node_id", "role_id");
DROP INDEX "node_roles_node_id_idx";
-- A full pass of the claim: what may run, in the claim's order, whichever node it is on.
CREATE INDEX "node_roles_ready" ON "node_roles" ("cohort", "id") WHERE "state" = 'TODO';
-- The sweep compares what is in TRANSITION with its runs: only what is, not the whole table once a second.
CREATE INDEX "node_roles_running" ON "node_roles" ("current_run_id") WHERE "current_run_id" IS NOT NULL;
-- Runs whose wait kept nothing and that come back by the claim: nearly always none.
CREATE INDEX "runs_woken" ON "runs" ("node_id") WHERE "status" = 'WAKING' AND NOT "holds_slot";
