-- Why: a noderole was written into every index of its table at each step of its way, and so was its run, because PostgreSQL
-- takes a row version out of the indexes' sight (HOT) only when no column that any index looks at has changed, a partial
-- index's condition included. Conditions on `state` and `status` change with every step. These look at columns that stay
-- as they are from BLOCKED to ACTIVE, and from QUEUED to RUNNING.

-- Claimable. A noderole that is released and claimed in one settle never is, nor is one that runs or has run.
ALTER TABLE "node_roles" SET (fillfactor = 50);
ALTER TABLE "node_roles" ADD COLUMN "ready" BOOLEAN GENERATED ALWAYS AS ("state" = 'TODO') STORED;
DROP INDEX "node_roles_todo";
CREATE INDEX "node_roles_todo" ON "node_roles" ("node_id", "cohort", "id") WHERE "ready";
DROP INDEX "node_roles_ready";
CREATE INDEX "node_roles_ready" ON "node_roles" ("role_id", "cohort", "id") WHERE "ready";
-- The sweep compares what is in TRANSITION with its runs window by window instead.
DROP INDEX "node_roles_running";

-- In the queue or in a worker. A row grows by its inputs when it starts: room for that on its page.
ALTER TABLE "runs" SET (fillfactor = 35);
ALTER TABLE "runs" ADD COLUMN "at_work" BOOLEAN GENERATED ALWAYS AS ("status" IN ('QUEUED', 'WAKING', 'RUNNING')) STORED;
ALTER TABLE "runs" ADD CONSTRAINT "runs_stopping_has_time" CHECK (("status" = 'STOPPING') = ("stopping_at" IS NOT NULL AND "ended_at" IS NULL));
DROP INDEX "runs_one_live_slot";
CREATE UNIQUE INDEX "runs_one_live_slot" ON "runs" ("exclusive_key") WHERE "ended_at" IS NULL AND "holds_slot";
-- STOPPING decides nothing any more.
DROP INDEX "runs_one_live_per_noderole";
CREATE UNIQUE INDEX "runs_one_live_per_noderole" ON "runs" ("node_role_id") WHERE "ended_at" IS NULL AND "stopping_at" IS NULL;
-- The sweep's work lists: small, because they hold only what is live.
DROP INDEX "runs_rung";
DROP INDEX "runs_leased";
CREATE INDEX "runs_at_work" ON "runs" ("id") WHERE "at_work";
CREATE INDEX "runs_stopping" ON "runs" ("id") WHERE "stopping_at" IS NOT NULL AND "ended_at" IS NULL;
DROP INDEX "runs_cancel_requested";
CREATE INDEX "runs_cancel_requested" ON "runs" ("id") WHERE "cancel_requested_at" IS NOT NULL AND "ended_at" IS NULL;
DROP INDEX "runs_expecting_boot";
CREATE INDEX "runs_expecting_boot" ON "runs" ("node_id") WHERE "expected_boot" IS NOT NULL AND "ended_at" IS NULL;
-- Runs whose wait keeps nothing: they come back by the claim.
DROP INDEX "runs_woken";
CREATE INDEX "runs_woken" ON "runs" ("node_id") WHERE "ended_at" IS NULL AND NOT "holds_slot";

-- Rows that are written by one function together with what they belong to need no look at it for each of them; they go with
-- it all the same, all that go at once in one statement.
ALTER TABLE "outbox_events" DROP CONSTRAINT "outbox_events_batch_id_fkey";
ALTER TABLE "outbox_events" DROP CONSTRAINT "outbox_events_pkey";
ALTER TABLE "outbox_events" ADD CONSTRAINT "outbox_events_pkey" PRIMARY KEY ("batch_id", "id");
DROP INDEX "outbox_events_batch_id_id_idx";
CREATE FUNCTION "forget_events_of_batches"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM outbox_events e USING gone WHERE e.batch_id = gone.id;
  RETURN NULL;
END $$;
CREATE TRIGGER "outbox_batches_take_their_events" AFTER DELETE ON "outbox_batches" REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "forget_events_of_batches"();

ALTER TABLE "run_logs" DROP CONSTRAINT "run_logs_run_id_fkey";
CREATE FUNCTION "forget_logs_of_runs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM run_logs l USING gone WHERE l.run_id = gone.id;
  RETURN NULL;
END $$;
CREATE TRIGGER "runs_take_their_logs" AFTER DELETE ON "runs" REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "forget_logs_of_runs"();
