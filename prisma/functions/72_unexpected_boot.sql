-- An installation expects one boot, that of its installer, which is none of the agent's. When the machine reports alive in
-- another one (a power cut, somebody at the console), the run is woken at once and decides, instead of waiting for its
-- deadline (engine-rules 16: `unexpected-boot`). The run's memo holds the boot epoch it began with. Returns how many woke.
CREATE OR REPLACE FUNCTION wake_unexpected_boots() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_count int;
BEGIN
  WITH due AS (
    SELECT w.run_id FROM waits w JOIN runs r ON r.id = w.run_id JOIN nodes n ON n.id = r.node_id
     WHERE w.key LIKE 'install:%' AND r.status = 'WAITING' AND n.boot_class <> 'installer' AND n.boot_epoch > (r.memo->>'bootEpoch')::int
     ORDER BY w.run_id LIMIT 500 FOR UPDATE OF w SKIP LOCKED
  ), woken AS (
    UPDATE runs r SET status = 'WAKING', wake_reason = 'unexpected-boot', rung_at = NULL FROM due WHERE r.id = due.run_id AND r.status = 'WAITING'
    RETURNING r.id
  ), gone AS (
    DELETE FROM waits w USING woken WHERE w.run_id = woken.id
  )
  SELECT count(*) INTO v_count FROM woken;
  RETURN v_count;
END $$;
