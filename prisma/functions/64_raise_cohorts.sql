-- Noderoles that gained parents go below the deepest of them, and everything below follows, level by level, as long as
-- something moves. The cohort is only the order in which what is ready is taken; nothing waits for it.
CREATE OR REPLACE FUNCTION raise_cohorts(p_noderoles int[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_ids int[] := p_noderoles;
BEGIN
  WHILE coalesce(cardinality(v_ids), 0) > 0 LOOP
    WITH deepest AS (
      SELECT e.child_id AS id, max(p.cohort) + 1 AS cohort FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id WHERE e.child_id = ANY(v_ids) GROUP BY e.child_id
    ), moved AS (
      UPDATE node_roles nr SET cohort = d.cohort FROM deepest d WHERE nr.id = d.id AND nr.cohort < d.cohort RETURNING nr.id
    )
    SELECT array_agg(DISTINCT e.child_id) INTO v_ids FROM moved m JOIN node_role_edges e ON e.parent_id = m.id;
  END LOOP;
END $$;
