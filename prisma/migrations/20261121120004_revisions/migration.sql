-- Why: every commit of a deployment is a numbered revision with its author, and says what it changed, so that the data of
-- any revision can be proposed again.
CREATE TABLE "deployment_revisions" (
  "deployment_id" INTEGER NOT NULL REFERENCES "deployments" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "revision" INTEGER NOT NULL,
  "author" TEXT NOT NULL,
  "comment" TEXT NOT NULL DEFAULT '',
  "at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY ("deployment_id", "revision")
);

-- One row for each container that a commit changed: a noderole, or (node_role_id null) the data of a role in the deployment.
-- Ids point nowhere by force and names are kept, because a revision outlives what it tells of.
CREATE TABLE "deployment_changes" (
  "id" BIGSERIAL PRIMARY KEY,
  "deployment_id" INTEGER NOT NULL,
  "revision" INTEGER NOT NULL,
  "node_role_id" INTEGER,
  "role_id" INTEGER NOT NULL,
  "node_id" INTEGER,
  "role" TEXT NOT NULL,
  "node" TEXT,
  "change" TEXT NOT NULL,
  "before" JSONB,
  "after" JSONB,
  CONSTRAINT "deployment_changes_change_known" CHECK ("change" IN ('bound', 'again', 'data', 'unbound')),
  FOREIGN KEY ("deployment_id", "revision") REFERENCES "deployment_revisions" ("deployment_id", "revision") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX "deployment_changes_container_idx" ON "deployment_changes" ("deployment_id", "node_role_id", "role_id", "revision");
CREATE INDEX "deployment_changes_revision_idx" ON "deployment_changes" ("deployment_id", "revision", "id");
