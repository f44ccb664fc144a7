-- Redeploy (engine-rules 15): whatever the last installation of these noderoles was is abandoned with its tokens, so that the
-- next start makes a new one, and erases the disk. The rule of the states is the table in src/noderoles/state.ts (event
-- `redeploy`); a test holds this against it. What stands on the system is wanted again when it is installed anew
-- (74_validity.sql). Returns how many noderoles there were.
CREATE OR REPLACE FUNCTION redeploy_noderoles(p_ids int[], p_reason text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[];
  v_more engine_event[];
  v_runs bigint[];
  v_left int[];
  v_blocked int[];
  v_count int;
BEGIN
  PERFORM lock_bulk(p_ids);
  PERFORM 1 FROM installs WHERE node_role_id = ANY(p_ids) ORDER BY id FOR UPDATE;
  WITH latest AS (
    SELECT DISTINCT ON (i.node_role_id) i.id, i.status AS was FROM installs i WHERE i.node_role_id = ANY(p_ids) ORDER BY i.node_role_id, i.id DESC
  ), ended AS (
    UPDATE installs i SET status = 'abandoned', ended_at = clock_timestamp() FROM latest l WHERE i.id = l.id AND l.was <> 'abandoned'
    RETURNING i.id, i.node_id, i.node_role_id, i.bootenv, l.was
  ), revoked AS (
    UPDATE node_tokens t SET revoked_at = clock_timestamp() FROM ended e WHERE t.install_id = e.id AND t.revoked_at IS NULL
  )
  SELECT coalesce(array_agg(('install-changed', 'install', e.id, 0, jsonb_build_object('node_id', e.node_id, 'noderole_id', e.node_role_id,
           'bootenv', e.bootenv, 'from', e.was, 'to', 'abandoned', 'reason', p_reason))::engine_event ORDER BY e.id), '{}') INTO v_events FROM ended e;

  SELECT array_agg(nr.current_run_id) FILTER (WHERE nr.state = 'TRANSITION'), array_agg(nr.id) FILTER (WHERE nr.state = 'ACTIVE')
    INTO v_runs, v_left FROM node_roles nr WHERE nr.id = ANY(p_ids);
  IF v_runs IS NOT NULL THEN
    v_more := stop_runs(v_runs, 'cancelled', p_reason);
    v_events := v_events || v_more;
  END IF;
  WITH before AS (
    SELECT nr.id, nr.state AS was FROM node_roles nr WHERE nr.id = ANY(p_ids)
  ), moved AS (
    UPDATE node_roles nr SET
           state = CASE WHEN b.was = 'PROPOSED' THEN b.was WHEN nr.pending_parents <= nr.slack THEN 'TODO' ELSE 'BLOCKED' END,
           want_gen = CASE WHEN b.was = 'PROPOSED' THEN nr.want_gen ELSE nr.want_gen + 1 END,
           current_run_id = NULL, last_ok_hash = NULL, failures = 0, not_before = NULL, error_code = NULL, error_message = NULL,
           blocked_by = CASE WHEN b.was = 'BLOCKED' THEN nr.blocked_by END, reruns = 0, outside_at = clock_timestamp(),
           version = nr.version + 1, changed_at = CASE WHEN b.was IN ('PROPOSED', 'BLOCKED', 'TODO') THEN nr.changed_at ELSE clock_timestamp() END
      FROM before b WHERE nr.id = b.id
    RETURNING nr.id, nr.version, nr.state, nr.node_id, nr.role_id, nr.deployment_id, b.was
  )
  SELECT count(*), v_events || coalesce(array_agg(noderole_event(m.id, m.version, m.was, m.state, m.node_id, m.role_id, m.deployment_id, 'redeploy') ORDER BY m.id) FILTER (WHERE m.was <> m.state), '{}'),
         array_agg(m.id) FILTER (WHERE m.state = 'BLOCKED' AND m.was <> 'BLOCKED')
    INTO v_count, v_events, v_blocked FROM moved m;
  IF v_left IS NOT NULL THEN
    SELECT a.events INTO v_more FROM adjust_children(v_left, 1) a;
    v_events := v_events || v_more;
  END IF;
  IF v_blocked IS NOT NULL THEN PERFORM join_waves(v_blocked); END IF;
  PERFORM emit_events(v_events);
  RETURN v_count;
END $$;
