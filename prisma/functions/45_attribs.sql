-- Attribs as the engine's batches need them (docs/attribs.md). The same rules in TypeScript: src/attribs/overlay.ts, wants.ts;
-- tests hold the two against each other.

-- p_over laid on p_base: objects key by key, everything else replaced.
CREATE OR REPLACE FUNCTION overlay_json(p_base jsonb, p_over jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  v_both jsonb;
BEGIN
  IF jsonb_typeof(p_base) <> 'object' OR jsonb_typeof(p_over) <> 'object' THEN RETURN p_over; END IF;
  IF p_over = '{}' THEN RETURN p_base; END IF;
  IF p_base = '{}' THEN RETURN p_over; END IF;
  SELECT jsonb_object_agg(o.key, overlay_json(p_base->o.key, o.value)) INTO v_both
    FROM jsonb_each(p_over) o WHERE jsonb_typeof(o.value) = 'object' AND jsonb_typeof(p_base->o.key) = 'object';
  RETURN p_base || p_over || coalesce(v_both, '{}');
END $$;

-- What lies below a noderole's own data: the role's defaults, its template, the deployment role's wall and committed data.
CREATE OR REPLACE FUNCTION data_below(p_attribs jsonb, p_template jsonb, p_wall jsonb, p_committed jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN overlay_json(overlay_json(overlay_json(
    coalesce((SELECT jsonb_object_agg(a->>'name', a->'default') FROM jsonb_array_elements(p_attribs) a WHERE a ? 'default'), '{}'),
    p_template), p_wall), p_committed);
END $$;

-- Which revision gave each attrib of the new data its value: an attrib that did not change keeps the one it had.
CREATE OR REPLACE FUNCTION revised(p_revisions jsonb, p_old jsonb, p_new jsonb, p_revision int) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(n.key, CASE WHEN p_old->n.key = n.value THEN coalesce(p_revisions->n.key, to_jsonb(p_revision)) ELSE to_jsonb(p_revision) END), '{}')
    FROM jsonb_each(p_new) n
$$;

-- roles.wants as rows. `role` null: of the node, `attrib` is then a path; or one of the words `parents`, `no-members`.
CREATE OR REPLACE FUNCTION wants_of(p_wants jsonb) RETURNS TABLE (at text, attrib text, role text) LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(w->>'at', s.attrib), s.attrib, nullif(s.role, 'node')
    FROM jsonb_array_elements(p_wants) w CROSS JOIN LATERAL (
      SELECT CASE WHEN w ? 'role' OR position('/' IN w->>'name') = 0 THEN w->>'role' ELSE split_part(w->>'name', '/', 1) END AS role,
             CASE WHEN w ? 'role' THEN w->>'name' ELSE regexp_replace(w->>'name', '^[^/]*/', '') END AS attrib) s
$$;

-- Whether a role that wants these reads the whole wall of a parent. A role that declares no wants reads those of all its
-- parents; one that does, only when it says `parents`. Who the members of a cluster are, its barrier's wall, is read by
-- default, unless the role says `no-members` (engine-rules 24).
CREATE OR REPLACE FUNCTION reads_parents(p_wants jsonb, p_barrier boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT p_wants = '[]' OR p_wants @> '[{"name": "parents"}]' OR p_barrier AND NOT p_wants @> '[{"name": "no-members"}]'
$$;

-- Finds, for the noderoles given, who satisfies each attrib they want of another role: the nearest ancestor that is of the
-- role or provides it, on the same node before elsewhere, then by distance, then the one bound first. A cluster's members
-- are looked at through its barrier, not climbed through: there may be thousands.
-- Called when they are bound, when the wants of their role change, and by the sweep when one of these is gone.
CREATE OR REPLACE FUNCTION link_attribs(p_noderoles int[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM attrib_links WHERE child_id = ANY(p_noderoles);
  INSERT INTO attrib_links (child_id, at, attrib, parent_id)
  WITH RECURSIVE want AS MATERIALIZED (
    SELECT nr.id AS child_id, nr.node_id, w.at, w.attrib, w.role
      FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id AND ro.wants <> '[]' CROSS JOIN LATERAL wants_of(ro.wants) w
     WHERE nr.id = ANY(p_noderoles) AND w.role IS NOT NULL AND w.role <> ro.name
  ), up AS (
    SELECT DISTINCT want.child_id, want.child_id AS id, 0 AS depth FROM want
    UNION
    SELECT up.child_id, e.parent_id, up.depth + 1 FROM up JOIN node_roles c ON c.id = up.id AND NOT c.barrier JOIN node_role_edges e ON e.child_id = up.id
  ), first_member AS MATERIALIZED (
    SELECT e.child_id AS barrier_id, min(e.parent_id) AS id FROM node_role_edges e
     WHERE e.child_id IN (SELECT up.id FROM up JOIN node_roles b ON b.id = up.id AND b.barrier) GROUP BY e.child_id
  ), candidate AS (
    SELECT want.child_id, want.at, want.attrib, p.id, p.node_id <> want.node_id AS elsewhere, up.depth
      FROM want JOIN up ON up.child_id = want.child_id AND up.depth > 0 JOIN node_roles p ON p.id = up.id JOIN roles pr ON pr.id = p.role_id
     WHERE pr.name = want.role OR want.role = ANY(pr.provides)
    UNION ALL
    SELECT want.child_id, want.at, want.attrib, m.id, m.node_id <> want.node_id, up.depth + 1
      FROM want JOIN up ON up.child_id = want.child_id JOIN node_roles b ON b.id = up.id AND b.barrier
      JOIN roles br ON br.id = b.role_id AND br.name = 'barrier-' || want.role JOIN first_member f ON f.barrier_id = b.id
      JOIN node_roles m ON m.id = f.id OR m.node_id = want.node_id AND m.role_id = (SELECT cr.id FROM roles cr WHERE cr.name = want.role)
  )
  SELECT DISTINCT ON (c.child_id, c.at) c.child_id, c.at, c.attrib, c.id FROM candidate c ORDER BY c.child_id, c.at, c.elsewhere, c.depth, c.id;
END $$;

-- What a noderole wants of others, as src/noderoles/data.ts (`Wanted`) reads it: for each attrib what each bucket holds of
-- it, and which revision or run it is of. Node attribs first; null when nothing is found.
CREATE OR REPLACE FUNCTION wanted_values(p_noderole int, p_wants jsonb, p_discovery jsonb, p_hint jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
  WITH wanted AS (
    SELECT 1 AS place, w.at, jsonb_build_object('at', w.at, 'noderole', NULL, 'buckets', (
             SELECT coalesce(jsonb_object_agg(b.name, b.value), '{}')
               FROM (VALUES ('node.discovery', p_discovery #> k.keys), ('node.hint', p_hint #> k.keys)) AS b(name, value) WHERE b.value IS NOT NULL)) AS value
      FROM wants_of(p_wants) w CROSS JOIN LATERAL (SELECT regexp_split_to_array(w.attrib, '[/.]') AS keys) k
     WHERE w.role IS NULL AND w.attrib NOT IN ('parents', 'no-members')
    UNION ALL
    SELECT 2, l.at, jsonb_build_object('at', l.at, 'noderole', pr.name || '@' || pn.name, 'wall_run', p.wall_run_id, 'schema', declared.a->'schema',
             'deployment_revision', dr.data_revisions->l.attrib, 'revision', p.data_revisions->l.attrib, 'buckets', (
             SELECT coalesce(jsonb_object_agg(b.name, b.value), '{}') FROM (VALUES
               ('attrib.default', declared.a->'default'), ('role.template', pr.template->l.attrib), ('deployment_role.wall', dr.wall->l.attrib),
               ('deployment_role.committed', dr.committed_data->l.attrib), ('noderole.wall', p.wall->l.attrib), ('noderole.sysdata', p.sysdata->l.attrib),
               ('noderole.committed', p.committed_data->l.attrib)) AS b(name, value) WHERE b.value IS NOT NULL))
      FROM attrib_links l JOIN node_roles p ON p.id = l.parent_id JOIN roles pr ON pr.id = p.role_id JOIN nodes pn ON pn.id = p.node_id
      LEFT JOIN deployment_roles dr ON dr.deployment_id = p.deployment_id AND dr.role_id = p.role_id
      LEFT JOIN LATERAL (SELECT x.a FROM jsonb_array_elements(pr.attribs) AS x(a) WHERE x.a->>'name' = l.attrib LIMIT 1) declared ON true
     WHERE l.child_id = p_noderole
  )
  SELECT jsonb_agg(wanted.value ORDER BY place, at) FROM wanted
$$;

-- Writes system data. Answers who reads it anew: the noderole and those that want an attrib of it which is another one now;
-- null when nothing changed.
CREATE OR REPLACE FUNCTION set_sysdata(p_noderole int, p_data jsonb) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
  v record;
BEGIN
  PERFORM lock_noderoles(p_noderole || ARRAY(SELECT l.child_id FROM attrib_links l WHERE l.parent_id = p_noderole));
  SELECT nr.sysdata, nr.committed_data INTO v FROM node_roles nr WHERE nr.id = p_noderole;
  IF v.sysdata = p_data THEN RETURN NULL; END IF;
  UPDATE node_roles SET sysdata = p_data, version = version + 1 WHERE id = p_noderole;
  RETURN ARRAY[p_noderole] || coalesce((SELECT array_agg(DISTINCT l.child_id) FROM attrib_links l
    WHERE l.parent_id = p_noderole AND v.sysdata->l.attrib IS DISTINCT FROM p_data->l.attrib), '{}');
END $$;

-- Writes the wall of a role in a deployment: what code of the role found out for all of its noderoles there. Answers who
-- reads it anew: noderoles of the pair whose effective data is another one now, and those that want such an attrib of one;
-- null when nobody is given anything else than before.
CREATE OR REPLACE FUNCTION set_deployment_wall(p_deployment int, p_role int, p_wall jsonb, p_run bigint) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
  v record;
  v_readers int[];
BEGIN
  PERFORM lock_noderoles(ARRAY(
    SELECT nr.id FROM node_roles nr WHERE nr.deployment_id = p_deployment AND nr.role_id = p_role
    UNION SELECT l.child_id FROM attrib_links l JOIN node_roles nr ON nr.id = l.parent_id WHERE nr.deployment_id = p_deployment AND nr.role_id = p_role));
  INSERT INTO deployment_roles (deployment_id, role_id) VALUES (p_deployment, p_role) ON CONFLICT DO NOTHING;
  SELECT data_below(ro.attribs, ro.template, dr.wall, dr.committed_data) AS before, data_below(ro.attribs, ro.template, p_wall, dr.committed_data) AS after INTO v
    FROM deployment_roles dr JOIN roles ro ON ro.id = dr.role_id WHERE dr.deployment_id = p_deployment AND dr.role_id = p_role FOR NO KEY UPDATE OF dr;
  UPDATE deployment_roles SET wall = p_wall, wall_run_id = p_run WHERE deployment_id = p_deployment AND role_id = p_role;
  IF v.before = v.after THEN RETURN NULL; END IF;
  WITH subject AS (
    SELECT nr.id, nr.wall, nr.sysdata, nr.committed_data FROM node_roles nr WHERE nr.deployment_id = p_deployment AND nr.role_id = p_role
  )
  SELECT array_agg(DISTINCT r.id) INTO v_readers FROM (
    SELECT s.id FROM subject s
     WHERE overlay_json(overlay_json(v.before, s.sysdata), s.committed_data) <> overlay_json(overlay_json(v.after, s.sysdata), s.committed_data)
    UNION ALL
    SELECT l.child_id FROM subject s JOIN attrib_links l ON l.parent_id = s.id
     WHERE overlay_json(overlay_json(overlay_json(v.before, s.wall), s.sysdata), s.committed_data)->l.attrib
           IS DISTINCT FROM overlay_json(overlay_json(overlay_json(v.after, s.wall), s.sysdata), s.committed_data)->l.attrib) r;
  RETURN v_readers;
END $$;
