-- History grows for ever otherwise: old runs, logs, late results and work of agents go in small batches, each a transaction
-- of its own. Never a run that lives, that the wall of a noderole came from, that is the last of its noderole, or that a
-- noderole keeps by number. p_from: where the last call stopped; returns where the next goes on, 0 at the end.
CREATE OR REPLACE FUNCTION purge_runs(p_from bigint, p_keep int, p_keep_days int, p_log_days int, p_batch int, OUT next_from bigint, OUT runs_gone int, OUT logs_gone int) LANGUAGE plpgsql AS $$
DECLARE
  v_window bigint[];
  v_old bigint[];
  v_gone bigint[];
BEGIN
  runs_gone := 0;
  logs_gone := 0;
  next_from := 0;
  SELECT array_agg(w.id ORDER BY w.id) INTO v_window FROM (SELECT r.id FROM runs r WHERE r.id > p_from ORDER BY r.id LIMIT p_batch) w;
  IF v_window IS NULL THEN RETURN; END IF;
  IF cardinality(v_window) = p_batch THEN next_from := v_window[p_batch]; END IF;

  -- The newest of a noderole keeps its log: it says how the noderole came to its state.
  SELECT array_agg(r.id) INTO v_old FROM runs r
   WHERE r.id = ANY(v_window) AND r.status = 'ENDED' AND r.ended_at < clock_timestamp() - make_interval(days => least(p_log_days, p_keep_days))
     AND EXISTS (SELECT 1 FROM runs n WHERE n.node_role_id = r.node_role_id AND n.id > r.id);
  IF v_old IS NULL THEN RETURN; END IF;
  WITH gone AS (
    DELETE FROM run_logs l USING runs r WHERE l.run_id = r.id AND r.id = ANY(v_old) AND r.ended_at < clock_timestamp() - make_interval(days => p_log_days) RETURNING 1)
  SELECT count(*) INTO logs_gone FROM gone;
  SELECT array_agg(r.id) INTO v_gone FROM runs r
   WHERE r.id = ANY(v_old) AND r.ended_at < clock_timestamp() - make_interval(days => p_keep_days)
     AND (SELECT count(*) FROM (SELECT 1 FROM runs n WHERE n.node_role_id = r.node_role_id AND n.id > r.id LIMIT p_keep) newer) >= p_keep
     AND NOT EXISTS (SELECT 1 FROM node_roles nr WHERE nr.id = r.node_role_id AND (nr.wall_run_id = r.id OR nr.current_run_id = r.id));
  IF v_gone IS NULL THEN RETURN; END IF;
  DELETE FROM late_results WHERE run_id = ANY(v_gone);
  DELETE FROM agent_work WHERE run_id = ANY(v_gone);
  DELETE FROM facts WHERE key = ANY(SELECT k || ':' || id FROM unnest(v_gone) id, unnest(ARRAY['work', 'timer']) k);
  DELETE FROM runs WHERE id = ANY(v_gone) AND status = 'ENDED';
  GET DIAGNOSTICS runs_gone = ROW_COUNT;
END $$;
