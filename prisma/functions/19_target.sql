-- Debugging: with a target role a node runs that role and what it needs of this node, nothing else. The noderoles that may
-- be claimed; none when the role is not bound to the node.
CREATE OR REPLACE FUNCTION target_line(p_node int, p_role int) RETURNS int[] LANGUAGE sql STABLE AS $$
  WITH RECURSIVE line AS (
    SELECT nr.id FROM node_roles nr WHERE nr.node_id = p_node AND nr.role_id = p_role
    UNION
    SELECT p.id FROM line l JOIN node_role_edges e ON e.child_id = l.id JOIN node_roles p ON p.id = e.parent_id
  )
  SELECT coalesce(array_agg(l.id), '{}') FROM line l JOIN node_roles nr ON nr.id = l.id WHERE nr.node_id = p_node
$$;
