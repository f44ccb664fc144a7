-- Parents that entered (delta -1) or left (delta +1) ACTIVE move the counters of their direct children, in every state
-- (engine-rules 3). The caller holds the locks of parents and children. Edges are re-read here, in a statement of its
-- own, so that one committed while we waited for a lock is seen (engine-rules 2e); two parents of one child in a batch
-- count twice (2a). Guards read only columns of the row being updated.
-- A barrier that is ACTIVE closes with its members, and its own children count that (engine-rules 24); what they are
-- does not change by it, so the way ends there.
-- p_hold: children that wait for nobody any more are not written but handed to the claim in `held`, by node: one write
-- takes them from BLOCKED to TRANSITION. The caller calls release_held for those that were not claimed.
-- Returns the events and the nodes on which something became claimable.
DROP FUNCTION IF EXISTS adjust_children(int[], int);
CREATE OR REPLACE FUNCTION adjust_children(p_parents int[], p_delta int, p_hold boolean DEFAULT false, OUT events engine_event[], OUT nodes int[], OUT held int[], OUT held_nodes int[]) LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_closed int[];
  v_more record;
BEGIN
  WITH counted AS (
    SELECT e.child_id, count(*)::int AS n FROM node_role_edges e WHERE e.parent_id = ANY(p_parents) GROUP BY e.child_id
  ), before AS MATERIALIZED (
    SELECT c.id, c.state, c.node_id, counted.n, p_hold AND c.state = 'BLOCKED' AND c.slack = 0 AND c.pending_parents + p_delta * counted.n = 0 AS held
      FROM counted JOIN node_roles c ON c.id = counted.child_id
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
      FROM before b WHERE c.id = b.id AND NOT b.held
    RETURNING c.id, c.version, b.state AS was, c.state, c.node_id, c.role_id, c.deployment_id
  ), changed AS (
    SELECT noderole_event(m.id, m.version, m.was, m.state, m.node_id, m.role_id, m.deployment_id, CASE WHEN p_delta < 0 THEN 'parents active' ELSE 'a parent left ACTIVE' END) AS event, m.id, m.node_id, m.state, m.was
      FROM moved m WHERE m.state <> m.was
  )
  SELECT coalesce(array_agg(event ORDER BY id), '{}'), coalesce(array_agg(DISTINCT node_id) FILTER (WHERE state = 'TODO'), '{}'),
         array_agg(id ORDER BY id) FILTER (WHERE was = 'ACTIVE'),
         (SELECT array_agg(b.id ORDER BY b.node_id, b.id) FROM before b WHERE b.held), (SELECT array_agg(b.node_id ORDER BY b.node_id, b.id) FROM before b WHERE b.held)
    INTO events, nodes, v_closed, held, held_nodes FROM changed;
  IF v_closed IS NULL THEN RETURN; END IF;
  PERFORM lock_children(v_closed);
  SELECT * INTO v_more FROM adjust_children(v_closed, 1);
  events := events || v_more.events;
  nodes := nodes || v_more.nodes;
END $$;

-- Children that were held for the claim and that it left: they are TODO for whoever claims next. Returns the events.
CREATE OR REPLACE FUNCTION release_held(p_held int[]) RETURNS engine_event[] LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_events engine_event[];
BEGIN
  WITH moved AS (
    UPDATE node_roles c SET pending_parents = 0, state = 'TODO', blocked_by = NULL, version = c.version + 1, changed_at = clock_timestamp()
     WHERE c.id = ANY(p_held) AND c.state = 'BLOCKED'
    RETURNING c.id, c.version, c.state, c.node_id, c.role_id, c.deployment_id
  )
  SELECT coalesce(array_agg(noderole_event(m.id, m.version, 'BLOCKED', m.state, m.node_id, m.role_id, m.deployment_id, 'parents active') ORDER BY m.id), '{}') INTO v_events FROM moved m;
  RETURN v_events;
END $$;
