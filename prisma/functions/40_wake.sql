-- Wakes what waits for a fact that its writer holds locked (engine-rules 18): WAITING -> WAKING, once, with a reason.
-- A wait that kept the node is rung at once, by the sweep or the caller's kick, through `wake_rings`; one that kept
-- nothing re-enters by the claim. Called in the transaction that raised the fact. Returns how many woke.
CREATE OR REPLACE FUNCTION wake_waits(p_key text) RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_count int;
BEGIN
  WITH due AS (
    SELECT w.run_id FROM waits w JOIN facts f ON f.key = w.key
     WHERE w.key = p_key AND f.generation >= w.min_generation ORDER BY w.run_id
  ), woken AS (
    -- rung_at NULL marks a ring that is decided but not yet made.
    UPDATE runs r SET status = 'WAKING', wake_reason = 'fact', rung_at = NULL
      FROM due WHERE r.id = due.run_id AND r.status = 'WAITING'
    RETURNING r.id
  ), gone AS (
    DELETE FROM waits w USING woken WHERE w.run_id = woken.id
  )
  SELECT count(*) INTO v_count FROM woken;
  RETURN v_count;
END $$;

-- Raises a fact to at least p_generation (monotonic) and wakes who waits for it.
CREATE OR REPLACE FUNCTION raise_fact(p_key text, p_generation int, p_detail jsonb) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO facts (key, generation, detail) VALUES (p_key, p_generation, p_detail)
  ON CONFLICT (key) DO UPDATE SET generation = EXCLUDED.generation, detail = EXCLUDED.detail, changed_at = clock_timestamp()
   WHERE facts.generation < EXCLUDED.generation;
  RETURN wake_waits(p_key);
END $$;

-- Rings that are decided but not made, or made so long ago that the queue must have lost them: each gets a new dispatch
-- number, so that the queue cannot take it for the old one (engine-rules 5). A double ring is harmless (rule 4).
CREATE OR REPLACE FUNCTION ring_again(p_older_than interval, p_limit int) RETURNS SETOF engine_ring LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_found bigint[];
BEGIN
  -- Each half by the partial index of what it looks at (together they have none, and would walk all runs there ever were);
  -- looked at again under the lock, by key: joined, a plan made while the table was small reads all of it.
  SELECT array_agg(f.id) INTO v_found FROM (
    SELECT r.id FROM runs r WHERE r.at_work AND r.status IN ('QUEUED', 'WAKING') AND r.holds_slot AND (r.rung_at IS NULL OR r.rung_at < clock_timestamp() - p_older_than)
    UNION ALL
    -- What a stopped run has to undo, once its executor has stopped; each further try waits twice as long.
    SELECT r.id FROM runs r WHERE r.stopping_at IS NOT NULL AND r.ended_at IS NULL AND r.stop_step = 'ask' AND may_undo(r)) f;
  IF v_found IS NULL THEN RETURN; END IF;
  RETURN QUERY
  WITH stale AS MATERIALIZED (
    SELECT r.id FROM runs r
     WHERE r.id = ANY(v_found)
       AND (r.status IN ('QUEUED', 'WAKING') AND r.holds_slot AND (r.rung_at IS NULL OR r.rung_at < clock_timestamp() - p_older_than)
            OR r.status = 'STOPPING' AND r.stop_step = 'ask' AND (r.lease_until IS NULL OR r.lease_until < clock_timestamp() - interval '2 seconds')
               AND (r.rung_at IS NULL OR r.rung_at < clock_timestamp() - p_older_than * power(2, r.stop_tries)))
     ORDER BY r.id LIMIT p_limit FOR UPDATE OF r SKIP LOCKED
  ), rung AS (
    UPDATE runs r SET dispatch = r.dispatch + 1, rung_at = clock_timestamp() WHERE r.id = ANY(ARRAY(SELECT stale.id FROM stale))
    RETURNING r.id, r.dispatch, r.fence, r.job_class
  )
  SELECT rung.id, rung.dispatch, rung.fence, rung.job_class FROM rung;
END $$;
