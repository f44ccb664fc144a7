-- How runs end (engine-rules 20). Three places write an end: settle (an outcome came), stop_runs (nobody had begun it) and
-- finish_stopped (the stop is proven); each by CAS on a row that has not ended, each with its one run-ended event, which a
-- unique index holds. A trigger refuses any later change.

-- A wave of ERROR goes on level by level through this worklist, not in one transaction (engine-rules 14).
CREATE OR REPLACE FUNCTION start_waves(p_noderoles int[]) RETURNS void LANGUAGE sql AS $$
  INSERT INTO propagations (node_role_id, root_id, error_epoch)
  SELECT nr.id, nr.id, nr.error_epoch FROM node_roles nr WHERE nr.id = ANY(p_noderoles)
     AND EXISTS (SELECT 1 FROM node_role_edges e WHERE e.parent_id = nr.id)
$$;

-- Noderoles that became BLOCKED otherwise than by a wave: an ERROR above them that blocks them too sends its wave on from
-- here, because when it passed they were running, proposed or in ERROR themselves and it stopped at them. The caller
-- holds their locks. Looks for the roots through what is BLOCKED: `blocked_by` is only a hint.
CREATE OR REPLACE FUNCTION join_waves(p_noderoles int[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH RECURSIVE above AS (
    SELECT c.id AS start, c.id FROM node_roles c WHERE c.id = ANY(p_noderoles) AND c.state = 'BLOCKED'
    UNION
    SELECT a.start, p.id FROM above a JOIN node_role_edges e ON e.child_id = a.id JOIN node_roles p ON p.id = e.parent_id
      JOIN node_roles c ON c.id = a.id AND c.state = 'BLOCKED'
     WHERE p.state IN ('BLOCKED', 'ERROR')
  ), root AS (
    SELECT a.start, r.id, r.error_epoch FROM above a JOIN node_roles r ON r.id = a.id AND r.state = 'ERROR'
  ), hinted AS (
    UPDATE node_roles nr SET blocked_by = h.id FROM (SELECT start, min(id) AS id FROM root GROUP BY start) h WHERE nr.id = h.start
  )
  INSERT INTO propagations (node_role_id, root_id, error_epoch)
  SELECT r.start, r.id, r.error_epoch FROM root r
   WHERE EXISTS (SELECT 1 FROM node_role_edges e WHERE e.parent_id = r.start)
     AND NOT EXISTS (SELECT 1 FROM propagations o WHERE o.node_role_id = r.start AND o.root_id = r.id AND o.error_epoch = r.error_epoch);
END $$;

-- Takes a live run away from whoever executes it: the fence rises, so every later write of the executor is refused; the
-- slot stays taken until the stop is proven (engine-rules 1, 17). A run still QUEUED has no executor: it ends at once.
-- The noderole is not touched here. Returns the events.
CREATE OR REPLACE FUNCTION stop_runs(p_runs bigint[], p_outcome run_outcome, p_reason text) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[];
BEGIN
  WITH ended AS (
    UPDATE runs r SET status = 'ENDED', outcome = p_outcome, ended_at = clock_timestamp(), fence = r.fence + 1, lease_until = NULL,
           stop_reason = p_reason, error_code = p_outcome::text, error_message = p_reason
     WHERE r.id = ANY(p_runs) AND r.status = 'QUEUED'
    RETURNING r.*
  )
  SELECT coalesce(array_agg(run_ended_event(e.id, e.dispatch, e.node_role_id, e.node_id, e.outcome, e.error_code)), '{}') INTO v_events FROM ended e;
  -- What the jig has to undo is a step of its own, rung when the executor is known to have stopped (32_stop.sql).
  UPDATE runs r SET status = 'STOPPING', fence = r.fence + 1, stop_outcome = p_outcome, stop_reason = p_reason,
         stopping_at = clock_timestamp(), holds_slot = true, rung_at = NULL,
         stop_step = CASE WHEN r.has_stop AND p_outcome = 'cancelled' THEN 'ask' END
   WHERE r.id = ANY(p_runs) AND r.status IN ('RUNNING', 'WAITING', 'WAKING') AND r.holds_slot;
  -- A wait that kept nothing has no slot to take back: nothing of it runs anywhere. What its jig has to undo all the same
  -- is done when the machine is free for it (start_stop).
  UPDATE runs r SET status = 'STOPPING', fence = r.fence + 1, stop_outcome = p_outcome, stop_reason = p_reason,
         stopping_at = clock_timestamp(), rung_at = NULL, stop_step = 'ask'
   WHERE r.id = ANY(p_runs) AND r.status IN ('WAITING', 'WAKING') AND NOT r.holds_slot AND r.has_stop AND p_outcome = 'cancelled';
  WITH ended AS (
    UPDATE runs r SET status = 'ENDED', outcome = p_outcome, ended_at = clock_timestamp(), fence = r.fence + 1, lease_until = NULL,
           stop_reason = p_reason, error_code = p_outcome::text, error_message = p_reason
     WHERE r.id = ANY(p_runs) AND r.status IN ('WAITING', 'WAKING') AND NOT r.holds_slot
    RETURNING r.*
  )
  SELECT v_events || coalesce(array_agg(run_ended_event(e.id, e.dispatch, e.node_role_id, e.node_id, e.outcome, e.error_code)), '{}') INTO v_events FROM ended e;
  DELETE FROM waits WHERE run_id = ANY(p_runs);
  UPDATE agent_work SET status = 'revoked' WHERE run_id = ANY(p_runs) AND status IN ('offered', 'taken');
  IF p_outcome = 'cancelled' THEN v_events := v_events || disarm_installs(p_runs); END IF;
  RETURN v_events;
END $$;

DROP FUNCTION IF EXISTS finish_stopped(bigint[]);
-- The proof has come: STOPPING runs end with the outcome that was decided when they were stopped.
CREATE OR REPLACE FUNCTION finish_stopped(p_runs bigint[], p_proof text DEFAULT NULL) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[];
BEGIN
  WITH ended AS (
    UPDATE runs r SET status = 'ENDED', outcome = r.stop_outcome, ended_at = clock_timestamp(), lease_until = NULL, stop_proof = coalesce(p_proof, r.stop_proof),
           error_code = coalesce(r.error_code, r.stop_outcome::text), error_message = coalesce(r.error_message, r.stop_reason)
     WHERE r.id = ANY(p_runs) AND r.status = 'STOPPING'
    RETURNING r.*
  )
  SELECT coalesce(array_agg(run_ended_event(e.id, e.dispatch, e.node_role_id, e.node_id, e.outcome, e.error_code)), '{}') INTO v_events FROM ended e;
  PERFORM emit_events(v_events);
  RETURN cardinality(v_events);
END $$;
