-- What a batch of jobs is started with, and the start itself (the rule in words: src/runs/start.ts). Functions, so that they
-- are planned like the rest of the hot path (00_types.sql).

-- Whether a role's attribs call anything secret (the walk itself: src/attribs/secrets.ts).
CREATE OR REPLACE FUNCTION has_secrets(p_attribs jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT p_attribs <> '[]' AND p_attribs::text ~ '"writeOnly": true|"format": "password"'
$$;

-- All that the inputs of these runs are frozen from, in one statement and so in one snapshot: `run`, an object for each that
-- is QUEUED or WAKING, and `role`, one for each of their roles, because thousands of runs are of few roles.
-- What is read of others (45_attribs.sql says who reads what; docs/attribs.md tells it in words). Roles that want nothing
-- pay for none of it. Thousands of parents must not copy all their walls into every child's inputs: the nearest sixteen,
-- who is in a cluster before all, then the node's own.
DROP FUNCTION IF EXISTS start_read(bigint[]);
CREATE FUNCTION start_read(p_runs bigint[]) RETURNS TABLE (run json, role json) LANGUAGE plpgsql STABLE
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  RETURN QUERY
  WITH read AS MATERIALIZED (
    SELECT r.id, r.fence, r.attempt, r.jig, r.inputs, r.memo, r.wake_reason, r.expected_boot, nr.id AS noderole_id, nr.want_gen, nr.pending_parents, nr.slack,
           nr.last_ok_hash, nr.last_ok_epoch, nr.force_run, nr.committed_data, nr.sysdata,
           nr.data_revisions AS revisions, nr.role_id,
           dr.committed_data AS deployment_data, dr.data_revisions AS deployment_revisions, dr.wall AS deployment_wall,
           n.id AS node_id, n.name AS node_name, n.arch AS node_arch, n.kind AS node_kind, n.boot_epoch,
           CASE WHEN r.inputs IS NULL AND NOT nr.barrier THEN (
             SELECT coalesce(jsonb_object_agg(p.name, CASE WHEN has_secrets(p.attribs) THEN jsonb_build_object('wall', p.wall, 'run', p.wall_run_id, 'attribs', p.attribs)
                                                        ELSE jsonb_build_object('wall', p.wall, 'run', p.wall_run_id) END), '{}') FROM (
               SELECT pr.name || '@' || pn.name AS name, pnr.wall, pnr.wall_run_id, pr.attribs FROM node_role_edges e JOIN node_roles pnr ON pnr.id = e.parent_id
                 JOIN roles pr ON pr.id = pnr.role_id JOIN nodes pn ON pn.id = pnr.node_id
                WHERE e.child_id = nr.id AND pnr.wall <> '{}' AND reads_parents(ro.wants, pnr.barrier)
                ORDER BY NOT pnr.barrier, (pnr.node_id <> nr.node_id), pnr.id LIMIT 16) p)
           -- Going on after a wait, the walls are in its inputs; which of them hold secrets is not.
           ELSE (SELECT coalesce(jsonb_object_agg(k.name, jsonb_build_object('attribs', pr.attribs)), '{}') FROM jsonb_object_keys(r.inputs->'parents') AS k(name)
                   JOIN roles pr ON pr.name = regexp_replace(k.name, '@[^@]*$', '') AND has_secrets(pr.attribs)) END AS parents,
           -- A disk that is installed is not installed again by anything but a redeploy (engine-rules 15).
           'destructive' = ANY(ro.flags) AND coalesce((SELECT i.status = 'completed' FROM installs i WHERE i.node_id = nr.node_id AND i.node_role_id = nr.id ORDER BY i.id DESC LIMIT 1), false) AS installed,
           CASE WHEN ro.wants <> '[]' THEN wanted_values(nr.id, ro.wants, n.discovery, n.hint) END AS wanted
      FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id JOIN roles ro ON ro.id = r.role_id JOIN nodes n ON n.id = r.node_id
      LEFT JOIN deployment_roles dr ON dr.deployment_id = nr.deployment_id AND dr.role_id = nr.role_id
     WHERE r.id = ANY(p_runs) AND r.status IN ('QUEUED', 'WAKING')
  )
  SELECT row_to_json(read), NULL::json FROM read
  UNION ALL
  SELECT NULL::json, row_to_json(t) FROM (
    SELECT ro.id AS role_id, ro.name AS role_name, ro.template, ro.attribs, ro.jig_config, ro.timeout_seconds, ro.validity, 'destructive' = ANY(ro.flags) AS destructive
      FROM roles ro WHERE ro.id IN (SELECT read.role_id FROM read)) t;
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
