-- Why: which places are given back is asked by node, and of 10,000 members each place looked at all of them.
DROP INDEX "rollout_members_rollout_id_idx";
CREATE INDEX "rollout_members_rollout_id_node_id_idx" ON "rollout_members" ("rollout_id", "node_id");
