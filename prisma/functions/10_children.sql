-- Parents that entered (delta -1) or left (delta +1) ACTIVE move the counters of their direct children, in every state
-- (engine-rules 3). The caller holds the locks of parents and children. Edges are re-read here, in a statement of its
-- own, so that one committed while we waited for a lock is seen (engine-rules 2e); two parents of one child in a batch
-- count twice (2a). Guards read only columns of the row being updated.
-- Returns the events and the nodes on which something became claimable.
CREATE OR REPLACE FUNCTION adjust_children(p_parents int[], p_delta int, OUT events engine_event[], OUT nodes int[]) LANGUAGE plpgsql AS $$
BEGIN
  WITH counted AS (
    SELECT e.child_id, count(*)::int AS n FROM node_role_edges e WHERE e.parent_id = ANY(p_parents) GROUP BY e.child_id
  ), before AS (
    SELECT c.id, c.state FROM node_roles c JOIN counted ON counted.child_id = c.id
  ), moved AS (
    UPDATE node_roles c
       SET pending_parents = c.pending_parents + p_delta * counted.n,
           state = CASE
             WHEN c.state = 'BLOCKED' AND c.pending_parents + p_delta * counted.n = 0 THEN 'TODO'
             WHEN c.state = 'TODO' AND c.pending_parents + p_delta * counted.n > 0 THEN 'BLOCKED'
             ELSE c.state END,
           blocked_by = CASE WHEN c.pending_parents + p_delta * counted.n = 0 THEN NULL ELSE c.blocked_by END,
           version = c.version + 1,
           changed_at = CASE WHEN c.state IN ('BLOCKED', 'TODO') THEN clock_timestamp() ELSE c.changed_at END
      FROM counted WHERE c.id = counted.child_id
    RETURNING c.*
  ), changed AS (
    SELECT noderole_event(m.id, m.version, b.state, m.state, m.node_id, m.role_id, m.deployment_id, CASE WHEN p_delta < 0 THEN 'parents active' ELSE 'a parent left ACTIVE' END) AS event, m.id, m.node_id, m.state
      FROM moved m JOIN before b ON b.id = m.id WHERE m.state <> b.state
  )
  SELECT coalesce(array_agg(event ORDER BY id), '{}'), coalesce(array_agg(DISTINCT node_id) FILTER (WHERE state = 'TODO'), '{}')
    INTO events, nodes FROM changed;
END $$;
