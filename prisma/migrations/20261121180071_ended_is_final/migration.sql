-- Why: a trigger BEFORE the update of a row locks the row first, a write of its own to the page and to the log, whether or not
-- it has anything to say. Afterwards it refuses just as well.
DROP TRIGGER "runs_ended_is_final" ON "runs";
CREATE TRIGGER "runs_ended_is_final" AFTER UPDATE ON "runs" FOR EACH ROW WHEN (OLD."status" = 'ENDED') EXECUTE FUNCTION "refuse_change_of_ended_run"();
