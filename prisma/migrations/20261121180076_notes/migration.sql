-- Notes of people about nodes, noderoles and deployment roles (engine.md 1.5). A table of its own, because these three rows are
-- what the engine locks and rewrites all the time, and a note concerns nothing that runs.
CREATE TABLE "notes" (
  "id" SERIAL PRIMARY KEY,
  "node_id" INTEGER UNIQUE REFERENCES "nodes" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "node_role_id" INTEGER UNIQUE REFERENCES "node_roles" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "deployment_role_id" INTEGER UNIQUE REFERENCES "deployment_roles" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  "data" JSONB NOT NULL DEFAULT '{}',
  CONSTRAINT "notes_of_one" CHECK (num_nonnulls("node_id", "node_role_id", "deployment_role_id") = 1)
);
