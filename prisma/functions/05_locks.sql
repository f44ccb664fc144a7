-- Locks of noderoles in the order of their ids, which everybody takes them in (engine-rules 2). The ids are found first, then the
-- rows by key: 'one of these, or a child of one' in one condition is answered by reading every noderole there is.
CREATE OR REPLACE FUNCTION lock_noderoles(p_noderoles int[]) RETURNS void LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  PERFORM 1 FROM node_roles WHERE id = ANY(p_noderoles) ORDER BY id FOR NO KEY UPDATE;
END $$;

-- Those of some noderoles and of their direct children.
CREATE OR REPLACE FUNCTION lock_with_children(p_parents int[]) RETURNS void LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  PERFORM lock_noderoles(p_parents || ARRAY(SELECT e.child_id FROM node_role_edges e WHERE e.parent_id = ANY(p_parents)));
END $$;

-- Those of the direct children alone.
CREATE OR REPLACE FUNCTION lock_children(p_parents int[]) RETURNS void LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  PERFORM lock_noderoles(ARRAY(SELECT e.child_id FROM node_role_edges e WHERE e.parent_id = ANY(p_parents)));
END $$;
