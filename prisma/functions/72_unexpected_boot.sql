-- Runs that wait for a boot (engine-rules 16): the machine has reported alive in a boot later than the one they began in.
-- The class they expect wakes them as a fact does; another wakes them with `unexpected-boot`, and the jig decides or the
-- run fails. Nothing reports alive out of an installer: who expects that is woken by any other boot. Returns how many woke.
CREATE OR REPLACE FUNCTION wake_unexpected_boots() RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_due bigint[];
  v_expected bigint[];
  v_count int;
BEGIN
  -- The run before its wait, as every writer of both; who holds it wakes or ends it himself. Written by key: joined, a plan made
  -- while there were few runs reads all that there ever were.
  SELECT array_agg(due.id), array_agg(due.id) FILTER (WHERE due.as_expected) INTO v_due, v_expected FROM (
    SELECT r.id, st.boot_class::text = r.expected_boot->>'class' AS as_expected
      FROM runs r JOIN node_status st ON st.node_id = r.node_id JOIN nodes n ON n.id = r.node_id
     WHERE r.expected_boot IS NOT NULL AND r.ended_at IS NULL AND r.status = 'WAITING' AND n.alive
       AND st.boot_id IS DISTINCT FROM r.expected_boot->>'not_before_boot_id' AND st.boot_class <> 'installer'
     ORDER BY r.id + 0 LIMIT 500 FOR NO KEY UPDATE OF r SKIP LOCKED) due;
  IF v_due IS NULL THEN RETURN 0; END IF;
  WITH woken AS (
    UPDATE runs r SET status = 'WAKING', wake_reason = CASE WHEN r.id = ANY(v_expected) THEN 'fact' ELSE 'unexpected-boot' END, rung_at = NULL
     WHERE r.id = ANY(v_due) AND r.status = 'WAITING'
    RETURNING r.id
  ), gone AS (
    DELETE FROM waits w USING woken WHERE w.run_id = woken.id
  )
  SELECT count(*) INTO v_count FROM woken;
  RETURN v_count;
END $$;
