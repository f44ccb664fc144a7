-- Parents that left another wall than before: their children have frozen the old one, so those that run are wanted again
-- and those that are ACTIVE are poked (engine-rules 8; DESIGN rule 9). The others read it when they start. The caller
-- holds the locks of parents and children. Returns the events and the nodes of the children told.
--
-- Each telling that goes back to no newer change from outside than the child knows of is counted in `reruns`: values that
-- chase each other end in ERROR `unstable`. What an operator, a commit or a boot began (`outside_at`) counts from zero.
CREATE OR REPLACE FUNCTION tell_new_walls(p_parents int[], OUT events engine_event[], OUT nodes int[]) LANGUAGE plpgsql AS $$
DECLARE
  v_poked int[];
BEGIN
  WITH reader AS (
    SELECT e.child_id AS id, max(p.outside_at) AS outside_at FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id
     WHERE e.parent_id = ANY(p_parents) GROUP BY e.child_id
  ), told AS (
    UPDATE node_roles c SET want_gen = CASE WHEN c.state::text IN ('TRANSITION', 'ACTIVE') THEN c.want_gen + 1 ELSE c.want_gen END, version = c.version + 1,
           outside_at = greatest(c.outside_at, reader.outside_at),
           reruns = CASE WHEN reader.outside_at > coalesce(c.outside_at, '-infinity') THEN 0 WHEN c.reruns_since > clock_timestamp() - interval '10 minutes' THEN c.reruns + 1 ELSE 1 END,
           reruns_since = CASE WHEN c.reruns > 0 AND c.reruns_since > clock_timestamp() - interval '10 minutes' THEN c.reruns_since ELSE clock_timestamp() END
      FROM reader WHERE c.id = reader.id
       AND (c.state::text IN ('TRANSITION', 'ACTIVE') OR c.reruns > 0 AND reader.outside_at > coalesce(c.outside_at, '-infinity'))
    RETURNING c.id, c.state, c.node_id
  )
  SELECT array_agg(t.id ORDER BY t.id) FILTER (WHERE t.state = 'ACTIVE'), coalesce(array_agg(DISTINCT t.node_id) FILTER (WHERE t.state = 'ACTIVE'), '{}') INTO v_poked, nodes FROM told t;
  events := '{}';
  IF v_poked IS NULL THEN RETURN; END IF;
  PERFORM 1 FROM node_roles WHERE id IN (SELECT e.child_id FROM node_role_edges e WHERE e.parent_id = ANY(v_poked)) ORDER BY id FOR NO KEY UPDATE;
  events := poke_active(v_poked, 'a parent left another wall');
END $$;

-- What an operator reads when a noderole is given up as unstable: how often it ran, and which of its inputs differed
-- between its last two runs.
CREATE OR REPLACE FUNCTION unstable_message(p_noderole int, p_reruns int, p_since timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  WITH last AS (
    SELECT r.inputs, row_number() OVER (ORDER BY r.id DESC) AS n FROM runs r WHERE r.node_role_id = p_noderole AND r.inputs IS NOT NULL ORDER BY r.id DESC LIMIT 2
  ), flat AS (
    SELECT last.n, i.key, i.value FROM last, jsonb_each(last.inputs - 'parents') i
    UNION ALL SELECT last.n, 'parents.' || i.key, i.value FROM last, jsonb_each(coalesce(last.inputs->'parents', '{}')) i
  ), moving AS (
    SELECT key FROM flat GROUP BY key HAVING count(DISTINCT value) > 1 OR count(*) < 2
  )
  SELECT 'ran ' || p_reruns || ' times since ' || to_char(p_since AT TIME ZONE 'UTC', 'HH24:MI:SS "UTC"') || ' with nothing changed from outside; inputs that keep changing: '
         || coalesce((SELECT string_agg(key, ', ' ORDER BY key) FROM moving), 'none to be seen')
$$;
