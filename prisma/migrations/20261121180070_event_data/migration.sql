-- Why: an event is written once, in the settle's own transaction, and read whole. Making jsonb of it took four times as long as
-- the text that it is sent as.
ALTER TABLE "outbox_events" ALTER COLUMN "data" DROP DEFAULT, ALTER COLUMN "data" TYPE json USING "data"::json, ALTER COLUMN "data" SET DEFAULT '{}';
