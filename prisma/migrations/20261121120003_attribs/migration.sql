-- Where a value came from: the revision that committed each attrib, the run that left a wall, the sources of what a run
-- was given; and which noderole satisfies each attrib that another wants, so that only its readers follow a change.
ALTER TABLE "node_roles" ADD COLUMN "data_revisions" JSONB NOT NULL DEFAULT '{}';
ALTER TABLE "node_roles" ADD COLUMN "wall_run_id" BIGINT;
ALTER TABLE "deployment_roles" ADD COLUMN "data_revisions" JSONB NOT NULL DEFAULT '{}';
ALTER TABLE "deployment_roles" ADD COLUMN "wall_run_id" BIGINT;
ALTER TABLE "runs" ADD COLUMN "inputs_from" JSONB;

CREATE TABLE "attrib_links" (
    "child_id" INTEGER NOT NULL,
    -- Path in the child's inputs.
    "at" TEXT NOT NULL,
    "attrib" TEXT NOT NULL,
    -- Null when that noderole is gone and the sweep has not found another yet.
    "parent_id" INTEGER,

    CONSTRAINT "attrib_links_pkey" PRIMARY KEY ("child_id", "at")
);
ALTER TABLE "attrib_links" ADD CONSTRAINT "attrib_links_child_id_fkey" FOREIGN KEY ("child_id") REFERENCES "node_roles"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "attrib_links" ADD CONSTRAINT "attrib_links_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "node_roles"("id") ON DELETE SET NULL ON UPDATE CASCADE;
CREATE INDEX "attrib_links_parent_id_idx" ON "attrib_links"("parent_id");
