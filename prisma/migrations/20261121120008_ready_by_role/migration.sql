-- Why: a full pass of the claim looked at all that is TODO, in order, to find the few of a class that has room: with 100,000
-- machines waiting for one class, that is all of them each time. By role it looks only at roles of classes with room.
DROP INDEX "node_roles_ready";
CREATE INDEX "node_roles_ready" ON "node_roles" ("role_id", "cohort", "id") WHERE "state" = 'TODO';
