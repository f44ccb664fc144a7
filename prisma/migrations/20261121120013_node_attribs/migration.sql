-- Attribs that a barclamp declares for nodes: hints are held against their schemas.
ALTER TABLE "barclamps" ADD COLUMN "attribs" JSONB NOT NULL DEFAULT '[]';
