-- Soft order (engine-rules 24): a role that another precedes waits for it where both happen to be, and only as long as
-- there is something to wait for. The rule in words: src/annealer/model.ts.

-- A BLOCKED noderole that nothing will release by itself: somewhere above it stands an ERROR, or a parent taken back to PROPOSED.
CREATE OR REPLACE FUNCTION blocked_for_good(p_noderole int) RETURNS boolean LANGUAGE sql STABLE AS $$
  WITH RECURSIVE above AS (
    SELECT p.id, p.state FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id WHERE e.child_id = p_noderole AND p.committed AND p.state <> 'ACTIVE'
    UNION
    SELECT p.id, p.state FROM above a JOIN node_role_edges e ON e.child_id = a.id JOIN node_roles p ON p.id = e.parent_id WHERE a.state = 'BLOCKED' AND p.committed AND p.state <> 'ACTIVE'
  )
  SELECT EXISTS (SELECT 1 FROM above WHERE state IN ('ERROR', 'PROPOSED'))
$$;

-- The noderole that this one waits for softly, the first in order; NULL: none. On the same node, or anywhere in the deployment.
CREATE OR REPLACE FUNCTION soft_predecessor(p_noderole int, p_node int, p_deployment int, p_after int[], p_after_deployment int[]) RETURNS int LANGUAGE sql STABLE AS $$
  SELECT s.id FROM node_roles s
   WHERE s.id <> p_noderole AND (s.node_id = p_node AND s.role_id = ANY(p_after) OR s.deployment_id = p_deployment AND s.role_id = ANY(p_after_deployment))
     AND (s.state IN ('TODO', 'TRANSITION') OR s.state = 'BLOCKED' AND NOT blocked_for_good(s.id))
   ORDER BY s.cohort, s.id LIMIT 1
$$;
