-- The sweep's repairs: each finds what a lost message, a dead worker or a dead node left behind and puts it right
-- (engine-rules 11, 18, 20, 21). Each is one transaction, safe to run at any time and by any number of annealers.
-- ORDER BY id + 0: with a LIMIT the planner would walk the whole primary key in order to find the few it is about; the sum
-- leaves it the partial index that holds only those.

-- Workers that stopped renewing: the run is stopped, its noderole is ready again, the slot stays until the stop is
-- proven. More than p_limit starts without an outcome: ERROR crash-loop. Returns how many.
CREATE OR REPLACE FUNCTION expire_leases(p_crash_limit int) RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_runs bigint[];
BEGIN
  SELECT array_agg(s.id) INTO v_runs FROM (
    SELECT r.id FROM runs r WHERE r.at_work AND r.status = 'RUNNING' AND r.lease_until < clock_timestamp() ORDER BY r.id + 0 LIMIT 500) s;
  IF v_runs IS NULL THEN RETURN 0; END IF;
  RETURN release_noderoles(v_runs, 'lease-lost', 'the worker stopped renewing its lease', p_crash_limit);
END $$;

-- Takes runs from their executors and gives their noderoles back to the claim. Not the role's fault: `failures` stays,
-- unless the same noderole was lost p_crash_limit times in a row, which is; after a retry they are counted anew.
CREATE OR REPLACE FUNCTION release_noderoles(p_runs bigint[], p_outcome run_outcome, p_reason text, p_crash_limit int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[];
  v_more engine_event[];
  v_error int[];
  v_blocked int[];
  v_live bigint[];
BEGIN
  PERFORM 1 FROM nodes WHERE id IN (SELECT r.node_id FROM runs r WHERE r.id = ANY(p_runs)) ORDER BY id FOR NO KEY UPDATE;
  PERFORM lock_noderoles(ARRAY(SELECT r.node_role_id FROM runs r WHERE r.id = ANY(p_runs)));
  -- Looked at again under the locks: a settle or a renewal may have been first.
  SELECT array_agg(s.id) INTO v_live FROM (
    SELECT r.id FROM runs r WHERE r.id = ANY(p_runs)
       AND ((p_outcome = 'lease-lost' AND r.status = 'RUNNING' AND r.lease_until < clock_timestamp())
         -- The machine went away under agent work: not when its result was in meanwhile.
         OR (p_outcome <> 'lease-lost' AND r.status = 'WAITING' AND EXISTS (SELECT 1 FROM agent_work w WHERE w.run_id = r.id AND w.status = 'taken')))
     ORDER BY r.id FOR UPDATE) s;
  IF v_live IS NULL THEN RETURN 0; END IF;
  v_events := stop_runs(v_live, p_outcome, p_reason);
  WITH lost AS (
    SELECT t.id, t.times, t.times > 0 AND t.times % p_crash_limit = 0 AS crashing FROM (
      SELECT nr.id, (SELECT count(*) FROM runs o WHERE o.node_role_id = nr.id AND o.id > coalesce((
               SELECT max(b.id) FROM runs b WHERE b.node_role_id = nr.id AND coalesce(b.outcome, b.stop_outcome) IS DISTINCT FROM 'lease-lost'), 0)) AS times
        FROM node_roles nr WHERE nr.current_run_id = ANY(v_live)) t
  ), moved AS (
    UPDATE node_roles nr SET
           state = CASE WHEN lost.crashing THEN 'ERROR'::node_role_state WHEN nr.pending_parents <= nr.slack THEN 'TODO' ELSE 'BLOCKED' END,
           error_code = CASE WHEN lost.crashing THEN 'crash-loop' END,
           error_message = CASE WHEN lost.crashing THEN 'started ' || lost.times || ' times in a row without an outcome: ' || p_reason END,
           error_epoch = CASE WHEN lost.crashing THEN nr.error_epoch + 1 ELSE nr.error_epoch END,
           current_run_id = NULL, last_ok_hash = NULL, version = nr.version + 1, changed_at = clock_timestamp()
      FROM lost WHERE nr.id = lost.id
    RETURNING nr.id, nr.version, nr.state, nr.node_id, nr.role_id, nr.deployment_id
  )
  SELECT coalesce(array_agg(noderole_event(m.id, m.version, 'TRANSITION', m.state, m.node_id, m.role_id, m.deployment_id, p_outcome::text) ORDER BY m.id), '{}'),
         array_agg(m.id) FILTER (WHERE m.state = 'ERROR'), array_agg(m.id) FILTER (WHERE m.state = 'BLOCKED')
    INTO v_more, v_error, v_blocked FROM moved m;
  IF v_error IS NOT NULL THEN PERFORM start_waves(v_error); END IF;
  IF v_blocked IS NOT NULL THEN PERFORM join_waves(v_blocked); END IF;
  PERFORM emit_events(v_events || v_more);
  RETURN cardinality(v_live);
END $$;

-- Waits past their deadline: woken with that reason; the jig looks at its condition once more and decides.
CREATE OR REPLACE FUNCTION expire_waits() RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_due bigint[];
  v_count int;
BEGIN
  -- By key: joined, a plan made while there were few runs reads all that there ever were.
  SELECT array_agg(w.run_id) INTO v_due FROM waits w WHERE w.deadline < clock_timestamp();
  -- The run is locked before its wait, as every writer of both does; who holds it wakes or ends it himself.
  WITH due AS MATERIALIZED (
    SELECT r.id FROM runs r WHERE r.id = ANY(v_due) AND r.status = 'WAITING' ORDER BY r.id LIMIT 500 FOR NO KEY UPDATE OF r SKIP LOCKED
  ), woken AS (
    UPDATE runs r SET status = 'WAKING', rung_at = NULL,
           wake_reason = CASE WHEN EXISTS (SELECT 1 FROM waits w JOIN facts f ON f.key = w.key WHERE w.run_id = r.id AND f.generation >= w.min_generation) THEN 'fact' ELSE 'deadline' END
     WHERE r.id = ANY(ARRAY(SELECT due.id FROM due)) AND r.status = 'WAITING'
    RETURNING r.id
  ), gone AS (
    DELETE FROM waits w USING woken WHERE w.run_id = woken.id
  )
  SELECT count(*) INTO v_count FROM woken;
  -- A fact that is true and yet has a wait: its writer forgot to wake. Level, not edge.
  PERFORM wake_waits(k.key) FROM (
    SELECT DISTINCT w.key FROM waits w JOIN facts f ON f.key = w.key WHERE f.generation >= w.min_generation LIMIT 500) k;
  RETURN v_count;
END $$;

-- Work on machines that went away under it (engine-rules 21): another boot id, or not alive and the agent's lease is over.
CREATE OR REPLACE FUNCTION fence_lost_nodes() RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_waiting bigint[];
  v_rebooted bigint[];
  v_lost bigint[];
  v_count int := 0;
BEGIN
  -- By what waits: runs and their work are kept when they are over.
  SELECT array_agg(w.run_id) INTO v_waiting FROM agent_work w
   WHERE w.run_id = ANY(ARRAY(SELECT wt.run_id FROM waits wt WHERE NOT wt.survives_reboot)) AND w.status = 'taken';
  IF v_waiting IS NULL THEN RETURN 0; END IF;
  SELECT array_agg(r.id) INTO v_rebooted
    FROM runs r JOIN agent_work w ON w.run_id = r.id JOIN node_status st ON st.node_id = r.node_id
   WHERE r.id = ANY(v_waiting) AND r.status = 'WAITING' AND w.status = 'taken' AND w.boot_id IS DISTINCT FROM st.boot_id;
  IF v_rebooted IS NOT NULL THEN
    v_count := v_count + release_noderoles(v_rebooted, 'node-rebooted', 'the node booted while the step was running', 1000000);
  END IF;
  SELECT array_agg(r.id) INTO v_lost
    FROM runs r JOIN agent_work w ON w.run_id = r.id JOIN nodes n ON n.id = r.node_id
   WHERE r.id = ANY(v_waiting) AND r.status = 'WAITING' AND w.status = 'taken' AND NOT n.alive AND w.lease_until < clock_timestamp();
  IF v_lost IS NOT NULL THEN
    v_count := v_count + release_noderoles(v_lost, 'node-lost', 'the node stopped answering while the step was running', 1000000);
  END IF;
  RETURN v_count;
END $$;

-- Takes ERROR waves one level further, at most p_batch rows of the worklist a call: ACTIVE children of what failed become
-- BLOCKED, BLOCKED ones get the hint who blocks them, and both carry the wave on. It also passes what this root has
-- blocked before: an earlier wave may have been dropped half way, because its root had recovered for a while. Lowest
-- cohort first, so that a wave comes once to each noderole, by however many ways. Dropped when its root recovered
-- (engine-rules 14).
CREATE OR REPLACE FUNCTION propagate_errors(p_batch int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_work record;
  v_events engine_event[] := '{}';
  v_more engine_event[];
  v_left int[];
  v_done int := 0;
BEGIN
  FOR v_work IN
    SELECT p.id, p.node_role_id, p.root_id, p.error_epoch FROM propagations p LEFT JOIN node_roles nr ON nr.id = p.node_role_id
     ORDER BY nr.cohort, p.id LIMIT p_batch FOR UPDATE OF p SKIP LOCKED
  LOOP
    v_done := v_done + 1;
    DELETE FROM propagations WHERE id = v_work.id;
    PERFORM lock_noderoles(ARRAY[v_work.root_id, v_work.node_role_id]
      || ARRAY(SELECT e.child_id FROM node_role_edges e WHERE e.parent_id = v_work.node_role_id)
      || ARRAY(SELECT f.child_id FROM node_role_edges e JOIN node_roles c ON c.id = e.child_id AND c.state = 'ACTIVE' JOIN node_role_edges f ON f.parent_id = c.id WHERE e.parent_id = v_work.node_role_id));
    CONTINUE WHEN NOT EXISTS (SELECT 1 FROM node_roles r WHERE r.id = v_work.root_id AND r.state = 'ERROR' AND r.error_epoch = v_work.error_epoch)
    -- What carried it may have been released meanwhile (then its children are not blocked by it any more).
      OR NOT EXISTS (SELECT 1 FROM node_roles c WHERE c.id = v_work.node_role_id AND c.state IN ('ERROR', 'BLOCKED'));
    WITH before AS (
      SELECT nr.id, nr.state, nr.blocked_by, nr.state = 'ACTIVE' AND ro.on_parent_error <> 'stay' AS falls
        FROM node_role_edges e JOIN node_roles nr ON nr.id = e.child_id JOIN roles ro ON ro.id = nr.role_id
       WHERE e.parent_id = v_work.node_role_id AND nr.pending_parents > nr.slack AND nr.state IN ('BLOCKED', 'ACTIVE')
    ), moved AS (
      UPDATE node_roles nr SET blocked_by = v_work.root_id, version = nr.version + 1,
             state = CASE WHEN b.falls THEN 'BLOCKED' ELSE nr.state END,
             changed_at = CASE WHEN b.falls THEN clock_timestamp() ELSE nr.changed_at END
        FROM before b WHERE nr.id = b.id AND (b.falls OR b.blocked_by IS DISTINCT FROM v_work.root_id)
      RETURNING nr.id, nr.version, nr.state, nr.node_id, nr.role_id, nr.deployment_id
    ), onward AS (
      INSERT INTO propagations (node_role_id, root_id, error_epoch)
      SELECT b.id, v_work.root_id, v_work.error_epoch FROM before b WHERE (b.falls OR b.state = 'BLOCKED')
         AND EXISTS (SELECT 1 FROM node_role_edges e WHERE e.parent_id = b.id)
         AND NOT EXISTS (SELECT 1 FROM propagations o WHERE o.node_role_id = b.id AND o.root_id = v_work.root_id AND o.error_epoch = v_work.error_epoch)
    )
    SELECT coalesce(array_agg(noderole_event(m.id, m.version, b.state, m.state, m.node_id, m.role_id, m.deployment_id, 'parent in ERROR') ORDER BY m.id) FILTER (WHERE b.state <> m.state), '{}'),
           array_agg(m.id) FILTER (WHERE b.state = 'ACTIVE' AND m.state = 'BLOCKED')
      INTO v_more, v_left FROM moved m JOIN before b ON b.id = m.id;
    v_events := v_events || v_more;
    IF v_left IS NOT NULL THEN
      SELECT a.events INTO v_more FROM adjust_children(v_left, 1) a;
      v_events := v_events || v_more;
    END IF;
  END LOOP;
  PERFORM emit_events(v_events);
  RETURN v_done;
END $$;

-- TRANSITION and "a live run of this noderole" are one fact told twice; where they differ, something was lost. Both
-- directions are repaired (engine-rules 20). Each repair is an alarm: it should never happen. Returns how many were
-- repaired. Looks at a window of noderoles.
DROP FUNCTION IF EXISTS repair_drift();
CREATE OR REPLACE FUNCTION repair_drift(p_from int DEFAULT 0, p_to int DEFAULT 2147483647) RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_events engine_event[] := '{}';
  v_more engine_event[];
  v_ids int[];
  v_runs bigint[];
  v_repaired int;
BEGIN
  SELECT array_agg(s.id) INTO v_ids FROM (
    SELECT nr.id FROM node_roles nr LEFT JOIN runs r ON r.id = nr.current_run_id
     WHERE nr.id BETWEEN p_from AND p_to AND nr.current_run_id IS NOT NULL AND (r.id IS NULL OR r.status IN ('ENDED', 'STOPPING'))
     ORDER BY nr.id + 0 LIMIT 500 FOR NO KEY UPDATE OF nr SKIP LOCKED) s;
  WITH moved AS (
    UPDATE node_roles nr SET state = CASE WHEN nr.pending_parents <= nr.slack THEN 'TODO'::node_role_state ELSE 'BLOCKED' END,
           current_run_id = NULL, version = nr.version + 1, changed_at = clock_timestamp()
     WHERE nr.id = ANY(v_ids)
       AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = nr.current_run_id AND r.status NOT IN ('ENDED', 'STOPPING'))
    RETURNING nr.id, nr.version, nr.state, nr.node_id, nr.role_id, nr.deployment_id
  )
  SELECT coalesce(array_agg(noderole_event(m.id, m.version, 'TRANSITION', m.state, m.node_id, m.role_id, m.deployment_id, 'drift repaired: no live run')), '{}'), count(*)
    INTO v_events, v_repaired FROM moved m;
  SELECT array_agg(r.id) INTO v_runs FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id
   WHERE r.ended_at IS NULL AND r.stopping_at IS NULL AND r.node_role_id BETWEEN p_from AND p_to AND nr.current_run_id IS DISTINCT FROM r.id;
  IF v_runs IS NOT NULL THEN
    v_more := stop_runs(v_runs, 'superseded', 'drift repaired: the noderole is not in TRANSITION for this run');
    v_events := v_events || v_more;
  END IF;
  v_repaired := v_repaired + coalesce(cardinality(v_runs), 0);
  IF v_repaired > 0 THEN
    v_events := v_events || ('alarm', 'engine', 0, 0, jsonb_build_object('code', 'drift', 'message', 'TRANSITION and live runs differed; repaired'))::engine_event;
  END IF;
  PERFORM emit_events(v_events);
  RETURN v_repaired;
END $$;

-- The noderoles, of a window of ids, whose counter is not its definition. For the sweep's audit and for tests.
-- Parent by parent: joined, a planner without statistics reads the whole table for each of them.
CREATE OR REPLACE FUNCTION drifted_counters(p_from int, p_to int) RETURNS TABLE (id int, stored int, truth int) LANGUAGE sql STABLE AS $$
  SELECT nr.id, nr.pending_parents, t.n FROM node_roles nr CROSS JOIN LATERAL (
    SELECT count(*)::int AS n FROM node_role_edges e
     WHERE e.child_id = nr.id AND (SELECT p.committed AND p.state <> 'ACTIVE' FROM node_roles p WHERE p.id = e.parent_id)) t
   WHERE nr.id BETWEEN p_from AND p_to AND nr.pending_parents <> t.n
$$;
