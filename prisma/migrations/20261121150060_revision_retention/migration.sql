-- What revisions changed is kept by number and days (prisma/functions/76_revision_retention.sql).
ALTER TABLE "deployments"
  ADD COLUMN "revisions_forgotten_to" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "revisions_cleaned_to" INTEGER NOT NULL DEFAULT 0;
