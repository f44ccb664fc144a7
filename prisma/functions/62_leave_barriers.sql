-- Noderoles that are about to be removed leave the barriers they are members of (engine-rules 24): the barrier's counter
-- falls by those that were pending, and it tells its children who is left. Takes the locks of the barriers and their
-- children; the caller holds those of the members and removes them afterwards. Returns the events.
CREATE OR REPLACE FUNCTION leave_barriers(p_members int[]) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[];
  v_more engine_event[];
  v_barriers int[];
  v_closed int[];
BEGIN
  SELECT array_agg(DISTINCT b.id) INTO v_barriers FROM node_role_edges e JOIN node_roles b ON b.id = e.child_id AND b.barrier WHERE e.parent_id = ANY(p_members);
  IF v_barriers IS NULL THEN RETURN '{}'; END IF;
  PERFORM lock_with_children(v_barriers);
  WITH gone AS (
    DELETE FROM node_role_edges e USING node_roles m WHERE e.child_id = ANY(v_barriers) AND e.parent_id = ANY(p_members) AND m.id = e.parent_id
    RETURNING e.child_id, m.committed, m.state
  ), counted AS (
    SELECT g.child_id AS id, count(*) FILTER (WHERE g.committed)::int AS members, count(*) FILTER (WHERE g.committed AND g.state <> 'ACTIVE')::int AS pending FROM gone g GROUP BY g.child_id
  ), subject AS (
    SELECT c.*, b.state AS was, b.pending_parents - c.pending AS left_pending,
           CASE WHEN b.quorum IS NULL THEN 0 ELSE greatest(0, (
             SELECT count(*)::int FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id WHERE e.child_id = b.id AND p.committed AND p.id <> ALL(p_members)) - b.quorum) END AS slack
      FROM counted c JOIN node_roles b ON b.id = c.id WHERE c.members > 0
  ), moved AS (
    UPDATE node_roles b SET pending_parents = s.left_pending, slack = s.slack,
           state = CASE WHEN b.state IN ('TODO', 'BLOCKED', 'ACTIVE') THEN CASE WHEN s.left_pending <= s.slack THEN 'TODO'::node_role_state ELSE 'BLOCKED' END ELSE b.state END,
           want_gen = b.want_gen + 1, last_ok_hash = NULL, outside_at = clock_timestamp(), version = b.version + 1, changed_at = clock_timestamp()
      FROM subject s WHERE b.id = s.id
    RETURNING b.id, b.version, b.state, b.node_id, b.role_id, b.deployment_id, s.was
  )
  SELECT coalesce(array_agg(noderole_event(m.id, m.version, m.was, m.state, m.node_id, m.role_id, m.deployment_id, 'a member left') ORDER BY m.id) FILTER (WHERE m.was <> m.state), '{}'),
         array_agg(m.id) FILTER (WHERE m.was = 'ACTIVE')
    INTO v_events, v_closed FROM moved m;
  IF v_closed IS NOT NULL THEN
    SELECT a.events INTO v_more FROM adjust_children(v_closed, 1) a;
    v_events := v_events || v_more;
  END IF;
  RETURN v_events;
END $$;
