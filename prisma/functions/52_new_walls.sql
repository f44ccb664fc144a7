-- Parents that left another wall than before (`p_old`: what they had): who reads what changed has frozen the old value, so
-- those that run are wanted again and those that are ACTIVE are poked (engine-rules 8; DESIGN rule 9). The others read it
-- when they start. Who reads what: `reads_parents` and attrib_links (45_attribs.sql); children that do neither are not
-- touched. The caller holds the locks of parents and children. Returns the events and the nodes of the noderoles told.
--
-- Each telling that goes back to no newer change from outside than the reader knows of is counted in `reruns`: values that
-- chase each other end in ERROR `unstable`. What an operator, a commit or a boot began (`outside_at`) counts from zero.
DROP FUNCTION IF EXISTS tell_new_walls(int[]);
CREATE OR REPLACE FUNCTION tell_new_walls(p_parents int[], p_old jsonb[], OUT events engine_event[], OUT nodes int[]) LANGUAGE plpgsql AS $$
DECLARE
  v_readers int[];
  v_outside timestamptz[];
  v_poked int[];
BEGIN
  events := '{}';
  nodes := '{}';
  WITH changed AS MATERIALIZED (
    SELECT p.id, i.old, p.wall, p.sysdata, p.committed_data, p.outside_at, p.barrier FROM unnest(p_parents, p_old) AS i(id, old) JOIN node_roles p ON p.id = i.id
  ), reader AS (
    SELECT e.child_id AS id, c.outside_at FROM changed c JOIN node_role_edges e ON e.parent_id = c.id
      JOIN node_roles k ON k.id = e.child_id JOIN roles ro ON ro.id = k.role_id
     WHERE NOT k.barrier AND reads_parents(ro.wants, c.barrier)
    UNION ALL
    -- What sysdata or committed data cover is the same as before.
    SELECT l.child_id, c.outside_at FROM changed c JOIN attrib_links l ON l.parent_id = c.id
     WHERE c.old->l.attrib IS DISTINCT FROM c.wall->l.attrib
       AND coalesce(jsonb_typeof(c.sysdata->l.attrib), 'object') = 'object' AND coalesce(jsonb_typeof(c.committed_data->l.attrib), 'object') = 'object'
  ), once AS (
    SELECT r.id, max(r.outside_at) AS outside_at FROM reader r GROUP BY r.id
  )
  SELECT array_agg(o.id ORDER BY o.id), array_agg(o.outside_at ORDER BY o.id) INTO v_readers, v_outside FROM once o;
  IF v_readers IS NULL THEN RETURN; END IF;
  -- Readers need not be children.
  PERFORM lock_noderoles(v_readers);
  WITH told AS (
    UPDATE node_roles c SET want_gen = CASE WHEN c.state::text IN ('TRANSITION', 'ACTIVE') THEN c.want_gen + 1 ELSE c.want_gen END, version = c.version + 1,
           outside_at = greatest(c.outside_at, reader.outside_at),
           reruns = CASE WHEN reader.outside_at > coalesce(c.outside_at, '-infinity') THEN 0 WHEN c.reruns_since > clock_timestamp() - interval '10 minutes' THEN c.reruns + 1 ELSE 1 END,
           reruns_since = CASE WHEN c.reruns > 0 AND c.reruns_since > clock_timestamp() - interval '10 minutes' THEN c.reruns_since ELSE clock_timestamp() END
      FROM unnest(v_readers, v_outside) AS reader(id, outside_at) WHERE c.id = reader.id
       AND (c.state::text IN ('TRANSITION', 'ACTIVE') OR c.reruns > 0 AND reader.outside_at > coalesce(c.outside_at, '-infinity'))
    RETURNING c.id, c.state, c.node_id
  )
  SELECT array_agg(t.id ORDER BY t.id) FILTER (WHERE t.state = 'ACTIVE'), coalesce(array_agg(DISTINCT t.node_id) FILTER (WHERE t.state = 'ACTIVE'), '{}') INTO v_poked, nodes FROM told t;
  IF v_poked IS NULL THEN RETURN; END IF;
  PERFORM lock_children(v_poked);
  events := poke_active(v_poked, 'a parent left another wall');
END $$;

-- Noderoles whose inputs were changed from outside otherwise than by a commit of their own data (a wanted attrib of another
-- noderole, of the node, their sysdata): wanted again, and poked when ACTIVE. Takes the locks. Returns the events.
CREATE OR REPLACE FUNCTION want_again(p_noderoles int[], p_reason text) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_poked int[];
BEGIN
  PERFORM lock_with_children(p_noderoles);
  WITH told AS (
    UPDATE node_roles c SET want_gen = c.want_gen + 1, version = c.version + 1, reruns = 0, outside_at = clock_timestamp()
     WHERE c.id = ANY(p_noderoles) AND c.state <> 'PROPOSED'
    RETURNING c.id, c.state
  )
  SELECT array_agg(t.id ORDER BY t.id) FILTER (WHERE t.state = 'ACTIVE') INTO v_poked FROM told t;
  RETURN CASE WHEN v_poked IS NULL THEN '{}'::engine_event[] ELSE poke_active(v_poked, p_reason) END;
END $$;

-- Roles that an import gave another template or other attribs; p_templates, p_attribs: what they had. Wanted again is what is
-- bound to them, and who reads of it an attrib that differs. Takes the locks. Returns the events.
CREATE OR REPLACE FUNCTION tell_replaced_roles(p_roles int[], p_templates jsonb[], p_attribs jsonb[]) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_told int[];
BEGIN
  WITH changed AS MATERIALIZED (
    SELECT ro.id, i.template AS old_template, i.attribs AS old_attribs, ro.template, ro.attribs
      FROM unnest(p_roles, p_templates, p_attribs) AS i(id, template, attribs) JOIN roles ro ON ro.id = i.id
  )
  SELECT array_agg(t.id ORDER BY t.id) INTO v_told FROM (
    SELECT nr.id FROM changed c JOIN node_roles nr ON nr.role_id = c.id WHERE nr.committed AND NOT nr.barrier
    UNION
    SELECT l.child_id FROM changed c JOIN node_roles p ON p.role_id = c.id JOIN attrib_links l ON l.parent_id = p.id JOIN node_roles k ON k.id = l.child_id
     WHERE k.committed AND (c.old_template->l.attrib IS DISTINCT FROM c.template->l.attrib
        OR jsonb_path_query_first(c.old_attribs, '$[*] ? (@.name == $name)', jsonb_build_object('name', l.attrib))
           IS DISTINCT FROM jsonb_path_query_first(c.attribs, '$[*] ? (@.name == $name)', jsonb_build_object('name', l.attrib)))) t;
  RETURN CASE WHEN v_told IS NULL THEN '{}'::engine_event[] ELSE want_again(v_told, 'its role was imported with other values') END;
END $$;

-- A node's discovery or hint changed from p_old to p_new (both overlaid): the noderoles on it that want what is at a path
-- where they differ. The caller holds the lock of the node. Returns the events.
CREATE OR REPLACE FUNCTION tell_node_readers(p_node int, p_old jsonb, p_new jsonb) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_readers int[];
BEGIN
  SELECT array_agg(DISTINCT nr.id) INTO v_readers
    FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id AND ro.wants <> '[]' CROSS JOIN LATERAL wants_of(ro.wants) w
   WHERE nr.node_id = p_node AND nr.committed AND w.role IS NULL AND w.attrib NOT IN ('parents', 'no-members')
     AND p_old #> regexp_split_to_array(w.attrib, '[/.]') IS DISTINCT FROM p_new #> regexp_split_to_array(w.attrib, '[/.]');
  RETURN CASE WHEN v_readers IS NULL THEN '{}'::engine_event[] ELSE want_again(v_readers, 'an attrib of the node changed') END;
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

-- Noderoles whose wanted attrib was one of a noderole that is gone: linked to the nearest that is left, and wanted again.
-- For the sweep; returns how many.
CREATE OR REPLACE FUNCTION relink_attribs() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_children int[];
BEGIN
  SELECT array_agg(s.child_id) INTO v_children FROM (SELECT DISTINCT l.child_id FROM attrib_links l WHERE l.parent_id IS NULL ORDER BY 1 LIMIT 500) s;
  IF v_children IS NULL THEN RETURN 0; END IF;
  PERFORM lock_with_children(v_children);
  PERFORM link_attribs(v_children);
  PERFORM emit_events(want_again(v_children, 'who gave a wanted attrib is gone'));
  RETURN cardinality(v_children);
END $$;
