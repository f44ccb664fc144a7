-- Runs complete: a stop is a step of its own with a proof (engine-rules 1, 17), steps that cannot be broken off, the boot
-- that a run expects (16), what a run waited for, and failures of the infrastructure counted apart from the role's.
ALTER TABLE "runs"
  -- Its jig has something to undo when it is stopped.
  ADD COLUMN "has_stop" BOOLEAN NOT NULL DEFAULT false,
  -- NULL: nothing to undo | ask | running | done | failed
  ADD COLUMN "stop_step" TEXT,
  ADD COLUMN "stop_tries" INTEGER NOT NULL DEFAULT 0,
  -- What the undoing said; what proved the stop.
  ADD COLUMN "stop_note" TEXT,
  ADD COLUMN "stop_proof" TEXT,
  ADD COLUMN "stuck_at" TIMESTAMPTZ(3),
  -- The machine works by itself since this boot (an installer, a reboot); only another boot, no power or an operator ends it.
  ADD COLUMN "machine_boot_id" TEXT,
  -- What cannot be broken off now; who wants it broken off when that is over.
  ADD COLUMN "unabortable" TEXT,
  ADD COLUMN "cancel_requested_at" TIMESTAMPTZ(3),
  ADD COLUMN "cancel_by" TEXT,
  -- { class, not_before_boot_id, otherwise: fail | wake }
  ADD COLUMN "expected_boot" JSONB,
  -- [{ at, to, ... }]: its waits and what ended them.
  ADD COLUMN "turns" JSONB NOT NULL DEFAULT '[]';
ALTER TABLE "runs" ADD CONSTRAINT "runs_stop_step_known" CHECK ("stop_step" IN ('ask', 'running', 'done', 'failed'));
-- The sweep looks for these each second.
CREATE INDEX "runs_cancel_requested" ON "runs" ("id") WHERE "cancel_requested_at" IS NOT NULL AND "status" <> 'ENDED';
-- The row of a run that waits for a boot is found without its memo.
CREATE INDEX "runs_expecting_boot" ON "runs" ("node_id") WHERE "expected_boot" IS NOT NULL AND "status" = 'WAITING';

ALTER TABLE "node_roles" ADD COLUMN "infra_failures" INTEGER NOT NULL DEFAULT 0;
