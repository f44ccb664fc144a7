-- Why: a noderole whose hard parent was removed must not run as if it were satisfied, and one that is being removed while
-- its run stops must not be committed meanwhile.
ALTER TABLE "node_roles" ADD COLUMN "lost_parents" TEXT[] NOT NULL DEFAULT '{}';
ALTER TABLE "node_roles" ADD COLUMN "removing" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "node_roles" ADD CONSTRAINT "node_roles_removing_is_proposed" CHECK (NOT "removing" OR "state" = 'PROPOSED');
CREATE INDEX "node_roles_removing" ON "node_roles" ("id") WHERE "removing";
