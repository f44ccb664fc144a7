-- Roles complete: what a barclamp says beyond hard requirements (soft order, attaches, hooks, the rest of the retry policy),
-- the definition as it was imported, and the barclamps themselves.

ALTER TABLE "roles"
  -- Ids of the roles that precede this one on the same node, and anywhere in the deployment. The claim reads them, so they
  -- are resolved at import, for every role, and not looked up by name.
  ADD COLUMN "soft_after" INTEGER[] NOT NULL DEFAULT '{}',
  ADD COLUMN "soft_after_deployment" INTEGER[] NOT NULL DEFAULT '{}',
  ADD COLUMN "backoff_max_seconds" INTEGER NOT NULL DEFAULT 600,
  ADD COLUMN "no_retry_on" TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN "hooks" TEXT[] NOT NULL DEFAULT '{}',
  -- Null for a role that nobody wrote: the companion of a cluster role.
  ADD COLUMN "definition" JSONB,
  -- Set when its barclamp defines it no more while noderoles of it exist.
  ADD COLUMN "retired_at" TIMESTAMPTZ(3);

CREATE TABLE "barclamps" (
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "version" TEXT NOT NULL DEFAULT '1',
    -- built-in | directory | api: who may write it.
    "source" TEXT NOT NULL,
    "imported_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "barclamps_pkey" PRIMARY KEY ("name")
);
