-- Retry and rerun of many noderoles in one call, set by set. The rule is the table in src/noderoles/state.ts (events
-- `retry` and `rerun`); a property test holds this against it.

-- What the verb would do with each noderole, and why not where it does nothing:
--   move: it leaves ERROR or ACTIVE     mark: it stays where it is and will run again (retry: at once)
--   stay: nothing is to be done         refuse: the table says no
DROP FUNCTION IF EXISTS judge_bulk(text, int[]);
CREATE FUNCTION judge_bulk(p_verb text, p_ids int[]) RETURNS TABLE (id int, node_id int, state node_role_state, verdict text, reason text) LANGUAGE sql STABLE AS $$
  SELECT nr.id, nr.node_id, nr.state, split_part(v.word, ' ', 1), nullif(substr(v.word, strpos(v.word, ' ') + 1), '')
    FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id
   CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM runs s WHERE s.node_role_id = nr.id AND s.status = 'STOPPING') AS stopping, 'destructive' = ANY(ro.flags) AS destructive,
     coalesce((SELECT i.status IN ('wiping', 'unknown') FROM installs i WHERE i.node_id = nr.node_id AND i.node_role_id = nr.id ORDER BY i.id DESC LIMIT 1), false) AS unproven) t
   CROSS JOIN LATERAL (SELECT CASE
     WHEN t.stopping AND (p_verb = 'retry' OR nr.state = 'ERROR') THEN 'refuse its last run is still being stopped'
     WHEN nr.state = 'ERROR' AND t.unproven THEN 'refuse its installation may have touched the disk; the machine has to report that it is installed, or redeploy it, which erases the disk'
     WHEN nr.state = 'ERROR' THEN 'move '
     WHEN p_verb = 'retry' AND nr.state = 'TODO' THEN CASE WHEN nr.not_before IS NULL THEN 'stay it is already TODO' ELSE 'mark ' END
     WHEN p_verb = 'retry' THEN 'refuse only ERROR is retried, it is ' || nr.state
     WHEN nr.state = 'PROPOSED' THEN 'stay it is only proposed: it runs when its deployment is committed'
     WHEN nr.state = 'ACTIVE' AND t.destructive THEN 'stay its role is destructive: only a redeploy runs it again'
     WHEN nr.state = 'ACTIVE' THEN 'move '
     ELSE 'mark ' END AS word) v
   WHERE nr.id = ANY(p_ids) AND NOT nr.barrier
   ORDER BY nr.id
$$;

-- Locks what the verb touches, in the order every writer keeps; the caller judges after it.
CREATE OR REPLACE FUNCTION lock_bulk(p_ids int[]) RETURNS void LANGUAGE plpgsql
  SET plan_cache_mode = force_custom_plan SET jit = off AS $$
BEGIN
  PERFORM 1 FROM nodes WHERE id IN (SELECT nr.node_id FROM node_roles nr WHERE nr.id = ANY(p_ids)) ORDER BY id FOR NO KEY UPDATE;
  PERFORM lock_with_children(p_ids);
END $$;

-- Carries out what judge_bulk said under the same locks. p_move and p_mark: the ids of those verdicts; p_stay: destructive
-- ones, whose drift is marked. Writes the events.
CREATE OR REPLACE FUNCTION carry_bulk(p_verb text, p_move int[], p_mark int[], p_stay int[]) RETURNS void LANGUAGE plpgsql
  SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
  v_events engine_event[];
  v_more engine_event[];
  v_blocked int[];
BEGIN
  -- Out of ERROR: tries counted anew. Nothing enters or leaves ACTIVE, so no counter moves.
  WITH moved AS (
    UPDATE node_roles nr SET state = CASE WHEN nr.pending_parents <= nr.slack THEN 'TODO'::node_role_state ELSE 'BLOCKED' END,
           failures = 0, not_before = NULL, blocked_by = NULL, error_code = NULL, error_message = NULL, version = nr.version + 1, changed_at = clock_timestamp(),
           want_gen = nr.want_gen + (p_verb = 'rerun')::int, force_run = nr.force_run OR p_verb = 'rerun', reruns = 0, outside_at = clock_timestamp()
     WHERE nr.id = ANY(p_move) AND nr.state::text = 'ERROR'
    RETURNING nr.id, nr.version, nr.state, nr.node_id, nr.role_id, nr.deployment_id
  )
  SELECT coalesce(array_agg(noderole_event(m.id, m.version, 'ERROR', m.state, m.node_id, m.role_id, m.deployment_id, p_verb) ORDER BY m.id), '{}'),
         array_agg(m.id) FILTER (WHERE m.state = 'BLOCKED')
    INTO v_events, v_blocked FROM moved m;
  IF v_blocked IS NOT NULL THEN PERFORM join_waves(v_blocked); END IF;

  IF p_verb = 'retry' THEN
    UPDATE node_roles nr SET not_before = NULL, failures = 0, version = nr.version + 1 WHERE nr.id = ANY(p_mark) AND nr.state::text = 'TODO';
  ELSE
    UPDATE node_roles nr SET want_gen = nr.want_gen + 1, force_run = true, reruns = 0, outside_at = clock_timestamp(), version = nr.version + 1
     WHERE nr.id = ANY(p_mark) OR (nr.id = ANY(p_move) AND nr.state::text = 'ACTIVE');
    UPDATE node_roles nr SET want_gen = nr.want_gen + 1, version = nr.version + 1 WHERE nr.id = ANY(p_stay) AND nr.state::text = 'ACTIVE';
    v_more := poke_active((SELECT array_agg(nr.id) FROM node_roles nr WHERE nr.id = ANY(p_move) AND nr.state::text = 'ACTIVE'), 'rerun');
    v_events := v_events || v_more;
  END IF;
  PERFORM emit_events(v_events);
END $$;
