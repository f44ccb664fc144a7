-- Parents that entered (delta -1) or left (delta +1) ACTIVE move the counters of their direct children, in every state
-- (engine-rules 3). The caller holds the locks of parents and children. Edges are re-read here, in a statement of its
-- own, so that one committed while we waited for a lock is seen (engine-rules 2e); two parents of one child in a batch
-- count twice (2a). Guards read only columns of the row being updated.
-- A barrier that is ACTIVE closes with its members, and its own children count that (engine-rules 24); what they are
-- does not change by it, so the way ends there.
-- Returns the events and the nodes on which something became claimable.
CREATE OR REPLACE FUNCTION adjust_children(p_parents int[], p_delta int, OUT events engine_event[], OUT nodes int[]) LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_closed int[];
  v_more record;
BEGIN
  WITH counted AS (
    SELECT e.child_id, count(*)::int AS n FROM node_role_edges e WHERE e.parent_id = ANY(p_parents) GROUP BY e.child_id
  ), before AS (
    SELECT c.id, c.state, counted.n FROM counted JOIN node_roles c ON c.id = counted.child_id
  ), moved AS (
    UPDATE node_roles c
       SET pending_parents = c.pending_parents + p_delta * b.n,
           state = CASE
             WHEN c.state = 'BLOCKED' AND c.pending_parents + p_delta * b.n <= c.slack THEN 'TODO'
             WHEN (c.state = 'TODO' OR c.state = 'ACTIVE' AND c.barrier) AND c.pending_parents + p_delta * b.n > c.slack THEN 'BLOCKED'
             ELSE c.state END,
           blocked_by = CASE WHEN c.pending_parents + p_delta * b.n <= c.slack THEN NULL ELSE c.blocked_by END,
           version = c.version + 1,
           changed_at = CASE WHEN c.state IN ('BLOCKED', 'TODO') THEN clock_timestamp() ELSE c.changed_at END
      FROM before b WHERE c.id = b.id
    RETURNING c.id, c.version, b.state AS was, c.state, c.node_id, c.role_id, c.deployment_id
  ), changed AS (
    SELECT noderole_event(m.id, m.version, m.was, m.state, m.node_id, m.role_id, m.deployment_id, CASE WHEN p_delta < 0 THEN 'parents active' ELSE 'a parent left ACTIVE' END) AS event, m.id, m.node_id, m.state, m.was
      FROM moved m WHERE m.state <> m.was
  )
  SELECT coalesce(array_agg(event ORDER BY id), '{}'), coalesce(array_agg(DISTINCT node_id) FILTER (WHERE state = 'TODO'), '{}'),
         array_agg(id ORDER BY id) FILTER (WHERE was = 'ACTIVE')
    INTO events, nodes, v_closed FROM changed;
  IF v_closed IS NULL THEN RETURN; END IF;
  PERFORM 1 FROM node_roles WHERE id IN (SELECT e.child_id FROM node_role_edges e WHERE e.parent_id = ANY(v_closed)) ORDER BY id FOR NO KEY UPDATE;
  SELECT * INTO v_more FROM adjust_children(v_closed, 1);
  events := events || v_more.events;
  nodes := nodes || v_more.nodes;
END $$;
