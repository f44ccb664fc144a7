-- What a batch of jobs is started with, and the start itself (the rule in words: src/runs/start.ts). Functions, so that they
-- are planned like the rest of the hot path (00_types.sql).

-- Whether a role's attribs call anything secret (the walk itself: src/attribs/secrets.ts).
CREATE OR REPLACE FUNCTION has_secrets(p_attribs jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT p_attribs <> '[]' AND p_attribs::text ~ '"writeOnly": true|"format": "password"'
$$;

-- All that the inputs of these runs are frozen from, in one snapshot (STABLE: that of the caller's statement), as one text of
-- JSON: a row for each would cost the server and the worker more than what is in it. `runs`: those that are QUEUED or WAKING,
-- each with `more`, which most have nothing of (null); `roles`: theirs, because thousands of runs are of few roles.
-- What is read of others (45_attribs.sql says who reads what; docs/attribs.md tells it in words). Roles that want nothing
-- pay for none of it. Thousands of parents must not copy all their walls into every child's inputs: the nearest sixteen,
-- who is in a cluster before all, then the node's own.
DROP FUNCTION IF EXISTS start_read(bigint[]);
CREATE FUNCTION start_read(p_runs bigint[]) RETURNS text LANGUAGE plpgsql STABLE
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_noderoles int[];
  v_parents int[];
  v_walls boolean;
  v_runs text;
  v_roles text;
BEGIN
  -- Whether any parent left a wall, before they are gathered for each: most leave none.
  SELECT array_agg(r.node_role_id) INTO v_noderoles FROM runs r WHERE r.id = ANY(p_runs) AND r.inputs IS NULL;
  SELECT array_agg(e.parent_id) INTO v_parents FROM node_role_edges e WHERE e.child_id = ANY(v_noderoles);
  v_walls := EXISTS (SELECT 1 FROM node_roles p WHERE p.id = ANY(v_parents) AND p.wall <> '{}');
  SELECT string_agg(format('{"id":%s,"fence":%s,"attempt":%s,"jig":%s,"noderole_id":%s,"role_id":%s,"want_gen":%s,"pending_parents":%s,"slack":%s,"node_id":%s,"node_name":%s,"node_arch":%s,"node_kind":%s,"boot_epoch":%s,"more":%s}',
           r.id, r.fence, r.attempt, to_json(r.jig), nr.id, nr.role_id, nr.want_gen, nr.pending_parents, nr.slack, n.id, to_json(n.name), to_json(n.arch), to_json(n.kind), n.boot_epoch,
         coalesce(CASE WHEN r.inputs IS NOT NULL OR r.memo <> '{}' OR nr.last_ok_hash IS NOT NULL OR nr.force_run OR nr.committed_data <> '{}' OR nr.sysdata <> '{}' OR nr.data_revisions <> '{}'
                OR dr.committed_data <> '{}' OR dr.wall <> '{}' OR dr.data_revisions <> '{}' OR parents.walls <> '{}' OR installed.completed OR ro.wants <> '[]'
           THEN json_build_object('inputs', r.inputs, 'memo', r.memo, 'wake_reason', r.wake_reason, 'expected_boot', r.expected_boot,
             'last_ok_hash', nr.last_ok_hash, 'last_ok_epoch', nr.last_ok_epoch, 'force_run', nr.force_run, 'installed', installed.completed,
             'committed_data', nr.committed_data, 'sysdata', nr.sysdata, 'revisions', nr.data_revisions,
             'deployment_data', dr.committed_data, 'deployment_revisions', dr.data_revisions, 'deployment_wall', dr.wall,
             'parents', parents.walls, 'wanted', CASE WHEN ro.wants <> '[]' THEN wanted_values(nr.id, ro.wants, n.discovery, n.hint) END)::text END, 'null')), ',')
    INTO v_runs
    FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id JOIN roles ro ON ro.id = r.role_id JOIN nodes n ON n.id = r.node_id
    LEFT JOIN deployment_roles dr ON dr.deployment_id = nr.deployment_id AND dr.role_id = nr.role_id
   CROSS JOIN LATERAL (
     SELECT CASE WHEN r.inputs IS NULL AND (nr.barrier OR NOT v_walls) THEN '{}'
       WHEN r.inputs IS NULL THEN (
         SELECT coalesce(jsonb_object_agg(p.name, CASE WHEN has_secrets(p.attribs) THEN jsonb_build_object('wall', p.wall, 'run', p.wall_run_id, 'attribs', p.attribs)
                                                    ELSE jsonb_build_object('wall', p.wall, 'run', p.wall_run_id) END), '{}') FROM (
           SELECT pr.name || '@' || pn.name AS name, pnr.wall, pnr.wall_run_id, pr.attribs FROM node_role_edges e JOIN node_roles pnr ON pnr.id = e.parent_id
             JOIN roles pr ON pr.id = pnr.role_id JOIN nodes pn ON pn.id = pnr.node_id
            WHERE e.child_id = nr.id AND pnr.wall <> '{}' AND reads_parents(ro.wants, pnr.barrier)
            ORDER BY NOT pnr.barrier, (pnr.node_id <> nr.node_id), pnr.id LIMIT 16) p)
       -- Going on after a wait, the walls are in its inputs; which of them hold secrets is not.
       ELSE (SELECT coalesce(jsonb_object_agg(k.name, jsonb_build_object('attribs', pr.attribs)), '{}') FROM jsonb_object_keys(r.inputs->'parents') AS k(name)
               JOIN roles pr ON pr.name = regexp_replace(k.name, '@[^@]*$', '') AND has_secrets(pr.attribs)) END AS walls OFFSET 0) parents
   CROSS JOIN LATERAL (
     -- A disk that is installed is not installed again by anything but a redeploy (engine-rules 15).
     SELECT 'destructive' = ANY(ro.flags) AND coalesce((SELECT i.status = 'completed' FROM installs i WHERE i.node_id = nr.node_id AND i.node_role_id = nr.id ORDER BY i.id DESC LIMIT 1), false) AS completed OFFSET 0) installed
   WHERE r.id = ANY(p_runs) AND r.status IN ('QUEUED', 'WAKING');

  SELECT string_agg(row_to_json(t)::text, ',') INTO v_roles FROM (
    SELECT ro.id AS role_id, ro.name AS role_name, ro.template, ro.attribs, ro.jig_config, ro.timeout_seconds, ro.validity, 'destructive' = ANY(ro.flags) AS destructive
      FROM roles ro WHERE ro.id = ANY(ARRAY(SELECT DISTINCT r.role_id FROM runs r WHERE r.id = ANY(p_runs)))) t;
  RETURN '{"runs":[' || coalesce(v_runs, '') || '],"roles":[' || coalesce(v_roles, '') || ']}';
END $$;

-- Consuming the fence is what lets a job start once, however often the queue delivers it (engine-rules 4). Answers who has
-- started, with the new fence.
DROP FUNCTION IF EXISTS start_take(bigint[], int[], jsonb[], text[], int[], text, float8, int[], jsonb[]);
CREATE OR REPLACE FUNCTION start_take(p_runs bigint[], p_fences int[], p_inputs jsonb[], p_hashes text[], p_gens int[], p_worker text, p_lease_seconds float8, p_epochs int[], p_from jsonb[], p_stops boolean[])
RETURNS TABLE (run_id bigint, new_fence int) LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  RETURN QUERY
  UPDATE runs r SET fence = r.fence + 1, status = 'RUNNING', worker = p_worker, started_at = coalesce(r.started_at, clock_timestamp()),
         lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds), rung_at = NULL,
         inputs = coalesce(r.inputs, i.inputs), inputs_from = coalesce(r.inputs_from, i.inputs_from), inputs_hash = coalesce(r.inputs_hash, i.hash), gen = coalesce(r.gen, i.gen), boot_epoch = i.epoch,
         has_stop = i.stops, unabortable = NULL,
         turns = CASE WHEN r.inputs IS NULL THEN r.turns ELSE turns_with(r.turns, jsonb_build_object('at', clock_timestamp(), 'to', 'run', 'reason', r.wake_reason)) END
    FROM unnest(p_runs, p_fences, p_inputs, p_hashes, p_gens, p_epochs, p_from, p_stops) AS i(id, fence, inputs, hash, gen, epoch, inputs_from, stops)
   WHERE r.id = i.id AND r.fence = i.fence AND r.status IN ('QUEUED', 'WAKING') AND r.cancel_requested_at IS NULL
  RETURNING r.id, r.fence;
END $$;
