-- A batch of outcomes in one call, one commit, several statements, each seeing what the locks waited for (engine-rules 2).
-- Order: node rows, fact rows, the batch's noderoles with their children, then runs by CAS, own states, children, claim,
-- events. The rule in words is src/noderoles/state.ts; property tests hold this against it.
--
-- p_bodies, one object per outcome; NULL is the plain success that most are:
--   kind: succeed | skip | fail | wait | supersede | lost
--   succeed: wall?, result?                    skip: nothing
--   fail: code, message, retryable, class ('retryable'|'final'|'infrastructure': src/runs/failure-class.ts), exit_status?
--         undo?: it failed at the deadline of its wait; if that is final, its jig undoes what it began (engine-rules 17)
--   lost: code, message: its executor stopped it for a reason that is not the role's; not a failure of the role
--   wait: key, min_generation, deadline_seconds, keeps ('node'|'nothing'), survives_reboot, memo,
--         job_class?: class of its next turn, unabortable?: why it cannot be broken off, expected_boot?: { class, otherwise }
-- An outcome whose run has ended, or holds another fence, is kept in late_results and changes nothing.
-- p_claim: how many noderoles of the touched nodes may be claimed in the same commit; 0 leaves that to the annealer.
-- p_logs: the end of each run's log, NULL where there is none.

-- What a failure means for its role: tried again, or not. What is the infrastructure's fault uses up none of the role's tries;
-- fifty in a row are given up all the same.
CREATE OR REPLACE FUNCTION failure_outcome(p_run bigint, p_body jsonb) RETURNS run_outcome LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN (p_body->>'retryable')::boolean AND CASE WHEN p_body->>'class' = 'infrastructure' THEN nr.infra_failures < 50 ELSE nr.failures + 1 < ro.max_attempts END
                AND coalesce(p_body->>'code', '') <> ALL(ro.no_retry_on) THEN 'retryable'::run_outcome ELSE 'failed' END
    FROM runs r JOIN node_roles nr ON nr.id = r.node_role_id JOIN roles ro ON ro.id = nr.role_id WHERE r.id = p_run
$$;

DROP FUNCTION IF EXISTS settle(bigint[], int[], jsonb[], int);
CREATE OR REPLACE FUNCTION settle(p_runs bigint[], p_fences int[], p_bodies jsonb[], p_claim int, p_logs text[] DEFAULT NULL) RETURNS SETOF engine_ring LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_events engine_event[] := '{}';
  v_more engine_event[];
  v_rings engine_ring[] := '{}';
  v_claimed engine_ring[];
  -- The batch's noderoles and their nodes. Ids in arrays, not joins: an index is walked once along a list of keys, and down
  -- from its root for each row of a join.
  v_noderoles int[];
  v_on int[];
  v_children int[];
  v_nodes int[] := '{}';
  v_waits boolean;
  v_free int[];
  v_active int[];
  v_error int[];
  v_settled bigint[] := '{}';
  v_held bigint[] := '{}';
  v_kept bigint[];
  v_undo bigint[];
  v_blocked int[];
  v_walls int[];
  v_installed int[];
  v_old_walls jsonb[];
  -- Children that wait for nobody any more, and their nodes: for the claim.
  v_held_children int[];
  v_held_nodes int[];
BEGIN
  SELECT array_agg(r.node_role_id), array_agg(r.node_id) INTO v_noderoles, v_on FROM runs r WHERE r.id = ANY(p_runs);
  PERFORM 1 FROM nodes WHERE id = ANY(v_on) ORDER BY id FOR NO KEY UPDATE;

  -- A wait is looked at under the lock of its fact, so a fact that came before us is not missed (engine-rules 18).
  v_waits := EXISTS (SELECT 1 FROM unnest(p_bodies) b WHERE b->>'kind' = 'wait');
  IF v_waits THEN
    INSERT INTO facts (key) SELECT DISTINCT b->>'key' FROM unnest(p_bodies) b WHERE b->>'kind' = 'wait' ORDER BY 1 ON CONFLICT (key) DO NOTHING;
    PERFORM 1 FROM facts WHERE key IN (SELECT b->>'key' FROM unnest(p_bodies) b WHERE b->>'kind' = 'wait') ORDER BY key FOR UPDATE;
  END IF;

  SELECT array_agg(e.child_id) INTO v_children FROM node_role_edges e WHERE e.parent_id = ANY(v_noderoles);
  PERFORM 1 FROM node_roles WHERE id = ANY(v_noderoles || v_children) ORDER BY id FOR NO KEY UPDATE;

  IF v_waits THEN
    -- Waits: the run stays live; the worker is free.
    WITH input AS (
      SELECT i.id, i.fence, i.body FROM unnest(p_runs, p_fences, p_bodies) AS i(id, fence, body) WHERE i.body->>'kind' = 'wait'
    ), waiting AS (
      UPDATE runs r SET
             status = CASE WHEN f.generation >= (i.body->>'min_generation')::int THEN 'WAKING'::run_status ELSE 'WAITING' END,
             wake_reason = CASE WHEN f.generation >= (i.body->>'min_generation')::int THEN 'fact' END,
             holds_slot = (i.body->>'keeps' = 'node'),
             memo = coalesce(i.body->'memo', r.memo),
             deadline = clock_timestamp() + make_interval(secs => (i.body->>'deadline_seconds')::float8),
             dispatch = CASE WHEN f.generation >= (i.body->>'min_generation')::int AND i.body->>'keeps' = 'node' THEN r.dispatch + 1 ELSE r.dispatch END,
             rung_at = CASE WHEN f.generation >= (i.body->>'min_generation')::int AND i.body->>'keeps' = 'node' THEN clock_timestamp() END,
             lease_until = NULL, worker = NULL,
             job_class = coalesce(i.body->>'job_class', r.job_class),
             unabortable = i.body->>'unabortable',
             turns = turns_with(r.turns, jsonb_build_object('at', clock_timestamp(), 'to', 'wait', 'key', i.body->>'key', 'keeps', i.body->>'keeps', 'deadline_seconds', (i.body->>'deadline_seconds')::float8)),
             -- A machine that goes on by itself while the run waits: since which boot. Nothing is left to wait for when the fact is there.
             machine_boot_id = CASE WHEN i.body->>'keeps' = 'node' AND (i.body->>'survives_reboot')::boolean AND f.generation < (i.body->>'min_generation')::int
               THEN coalesce((SELECT st.boot_id FROM node_status st WHERE st.node_id = r.node_id), 'none') END,
             expected_boot = i.body->'expected_boot' || jsonb_build_object('not_before_boot_id', (SELECT st.boot_id FROM node_status st WHERE st.node_id = r.node_id))
        FROM input i JOIN facts f ON f.key = i.body->>'key'
       WHERE r.id = i.id AND r.fence = i.fence AND r.status = 'RUNNING'
      RETURNING r.id, r.dispatch, r.fence, r.job_class, r.node_role_id, r.node_id, r.status, r.holds_slot, r.deadline, i.body
    ), kept AS (
      INSERT INTO waits (run_id, key, min_generation, deadline, keeps, survives_reboot)
      SELECT w.id, w.body->>'key', (w.body->>'min_generation')::int, w.deadline, w.body->>'keeps', coalesce((w.body->>'survives_reboot')::boolean, false)
        FROM waiting w WHERE w.status = 'WAITING'
      ON CONFLICT (run_id) DO UPDATE SET key = EXCLUDED.key, min_generation = EXCLUDED.min_generation, deadline = EXCLUDED.deadline,
        keeps = EXCLUDED.keeps, survives_reboot = EXCLUDED.survives_reboot, created_at = clock_timestamp()
    )
    SELECT coalesce(array_agg(('run-waiting', 'run', w.id, w.dispatch, jsonb_build_object('noderole_id', w.node_role_id, 'node_id', w.node_id, 'key', w.body->>'key'))::engine_event), '{}'),
           coalesce(array_agg((w.id, w.dispatch, w.fence, w.job_class)::engine_ring) FILTER (WHERE w.status = 'WAKING' AND w.holds_slot), '{}'),
           coalesce(array_agg(w.id), '{}'),
           coalesce(array_agg(w.node_id) FILTER (WHERE NOT w.holds_slot), '{}')
      INTO v_events, v_rings, v_settled, v_nodes
      FROM waiting w;
  END IF;

  -- What an agent has in hand is not over because its run is (a deadline that came first): that run keeps the machine,
  -- STOPPING, until the agent has let go (engine-rules 1). Runs before their work, as every writer of both.
  IF EXISTS (SELECT 1 FROM agent_work w WHERE w.run_id = ANY(p_runs) AND w.status IN ('offered', 'taken')) THEN
    PERFORM 1 FROM runs WHERE id IN (SELECT w.run_id FROM agent_work w WHERE w.run_id = ANY(p_runs)) ORDER BY id FOR NO KEY UPDATE;
    WITH over AS (
      SELECT i.id FROM unnest(p_runs, p_fences, p_bodies) AS i(id, fence, body) JOIN runs r ON r.id = i.id AND r.fence = i.fence AND r.status = 'RUNNING'
       WHERE i.body->>'kind' IS DISTINCT FROM 'wait'
    ), revoked AS (
      UPDATE agent_work w SET status = 'revoked' FROM over WHERE w.run_id = over.id AND w.status IN ('offered', 'taken') RETURNING w.run_id, w.boot_id
    )
    SELECT coalesce(array_agg(v.run_id), '{}') INTO v_held FROM revoked v WHERE v.boot_id IS NOT NULL;
  END IF;

  -- A jig that was told to stop and goes on: its lease, renewed by nobody any more, proves its end.
  SELECT array_agg(i.id) FILTER (WHERE i.body ? 'still_running'), array_agg(i.id) FILTER (WHERE i.body ? 'undo') INTO v_kept, v_undo
    FROM unnest(p_runs, p_bodies) AS i(id, body) WHERE i.body ?| '{still_running,undo}';
  v_held := v_held || coalesce(v_kept, '{}');

  -- Ends: the runs by CAS, their noderoles where this run is still theirs. Every number used is of the row being written.
  -- What a failure is judged by, and the wall that another replaces, are looked up where they are asked for.
  WITH input AS (
    SELECT i.id, i.fence, i.body, coalesce(i.body->>'kind', 'succeed') AS kind, i.id = ANY(v_held) AS held
      FROM unnest(p_runs, p_fences, p_bodies) AS i(id, fence, body) WHERE i.body->>'kind' IS DISTINCT FROM 'wait'
  ), ended AS (
    UPDATE runs r SET lease_until = CASE WHEN (i.body->>'still_running')::boolean THEN r.lease_until END,
           status = CASE WHEN o.held THEN 'STOPPING'::run_status ELSE 'ENDED' END,
           ended_at = CASE WHEN NOT o.held THEN clock_timestamp() END, outcome = CASE WHEN NOT o.held THEN q.outcome END,
           fence = CASE WHEN o.held THEN r.fence + 1 ELSE r.fence END, stop_outcome = CASE WHEN o.held THEN q.outcome END,
           stop_reason = CASE WHEN (i.body->>'still_running')::boolean THEN 'its jig goes on though it was told to stop' WHEN o.held THEN 'ended while the agent was at its work' END, stopping_at = CASE WHEN o.held THEN clock_timestamp() END,
           error_code = i.body->>'code', error_message = left(i.body->>'message', 4000),
           exit_status = (i.body->>'exit_status')::int, result = i.body->'result'
      FROM input i, LATERAL (
        SELECT CASE i.kind
             WHEN 'succeed' THEN 'succeeded'::run_outcome WHEN 'skip' THEN 'skipped' WHEN 'supersede' THEN 'superseded' WHEN 'lost' THEN 'lease-lost'
             ELSE failure_outcome(i.id, i.body) END AS outcome OFFSET 0) q, LATERAL (
        SELECT i.held OR q.outcome = 'failed' AND i.body ? 'undo' AS held) o
     WHERE r.id = i.id AND r.fence = i.fence AND r.status = 'RUNNING'
    RETURNING r.id, r.dispatch, r.node_role_id, r.node_id, q.outcome, o.held, r.gen, r.boot_epoch, r.inputs_hash, r.error_code, r.error_message, i.body, coalesce(i.body->>'class' = 'infrastructure', false) AS infra,
              CASE WHEN i.body ? 'wall' THEN (SELECT nullif(nr.wall, i.body->'wall') FROM node_roles nr WHERE nr.id = r.node_role_id) END AS old_wall
  ), settled AS (
    UPDATE node_roles nr SET
           state = CASE
             WHEN e.outcome = 'failed' OR e.outcome = 'succeeded' AND nr.reruns > 20 THEN 'ERROR'::node_role_state
             WHEN e.outcome IN ('succeeded', 'skipped') AND nr.pending_parents <= nr.slack AND nr.want_gen <= coalesce(e.gen, 0) THEN 'ACTIVE'
             WHEN nr.pending_parents <= nr.slack THEN 'TODO' ELSE 'BLOCKED' END,
           current_run_id = NULL, version = nr.version + 1, changed_at = clock_timestamp(),
           failures = CASE WHEN e.outcome IN ('succeeded', 'skipped') THEN 0 WHEN e.outcome IN ('superseded', 'lease-lost') OR e.outcome = 'retryable' AND e.infra THEN nr.failures ELSE nr.failures + 1 END,
           infra_failures = CASE WHEN e.outcome = 'retryable' AND e.infra THEN nr.infra_failures + 1 ELSE 0 END,
           -- Exponential with jitter, so that a rack that failed together does not retry together.
           -- At once means at once: now, rounded to the column's millisecond, may be later than the claim that follows.
           not_before = CASE WHEN e.outcome = 'retryable' AND (e.infra OR ro.backoff_seconds > 0)
             THEN clock_timestamp() + make_interval(secs => least(ro.backoff_max_seconds, CASE WHEN e.infra THEN greatest(1, ro.backoff_seconds) * power(2, least(nr.infra_failures, 20)) ELSE ro.backoff_seconds * power(2, least(nr.failures, 20)) END) * (0.5 + random() / 2)) END,
           error_code = CASE WHEN e.outcome IN ('failed', 'retryable') THEN coalesce(e.error_code, 'failed') WHEN e.outcome = 'succeeded' AND nr.reruns > 20 THEN 'unstable' END,
           error_message = CASE WHEN e.outcome IN ('failed', 'retryable') THEN e.error_message WHEN e.outcome = 'succeeded' AND nr.reruns > 20 THEN unstable_message(nr.id, nr.reruns, nr.reruns_since) END,
           error_epoch = CASE WHEN e.outcome = 'failed' OR e.outcome = 'succeeded' AND nr.reruns > 20 THEN nr.error_epoch + 1 ELSE nr.error_epoch END,
           -- The same inputs as at the last success: it has come to rest.
           reruns = CASE WHEN e.outcome = 'skipped' THEN 0 ELSE nr.reruns END,
           wall = CASE WHEN e.outcome = 'succeeded' AND e.body ? 'wall' THEN e.body->'wall' ELSE nr.wall END,
           wall_run_id = CASE WHEN e.outcome = 'succeeded' AND e.body ? 'wall' THEN e.id ELSE nr.wall_run_id END,
           -- What failed may have left half of its work behind: the last success says nothing about that any more.
           -- What is installed was made of the inputs it was made of, whatever they are now.
           last_ok_hash = CASE WHEN e.outcome = 'skipped' AND 'destructive' = ANY(ro.flags) THEN nr.last_ok_hash WHEN e.outcome IN ('succeeded', 'skipped') THEN e.inputs_hash WHEN e.outcome IN ('failed', 'retryable', 'lease-lost') THEN NULL ELSE nr.last_ok_hash END,
           last_ok_epoch = CASE WHEN e.outcome IN ('succeeded', 'skipped') THEN e.boot_epoch ELSE nr.last_ok_epoch END,
           -- A rerun asked for while this run was at work is not answered by it.
           force_run = CASE WHEN e.outcome = 'succeeded' AND nr.want_gen <= coalesce(e.gen, 0) THEN false ELSE nr.force_run END
      FROM ended e, roles ro
     WHERE nr.id = e.node_role_id AND nr.current_run_id = e.id AND ro.id = nr.role_id
    RETURNING nr.id, nr.version, nr.state, nr.node_id, nr.role_id, nr.deployment_id, e.outcome, CASE WHEN e.outcome = 'succeeded' THEN e.old_wall END AS old_wall, e.outcome = 'succeeded' AND 'destructive' = ANY(ro.flags) AS installed
  )
  SELECT v_events
           || coalesce((SELECT array_agg(run_ended_event(e.id, e.dispatch, e.node_role_id, e.node_id, e.outcome, e.error_code) ORDER BY e.id) FROM ended e WHERE NOT e.held), '{}')
           || coalesce((SELECT array_agg(noderole_event(s.id, s.version, 'TRANSITION', s.state, s.node_id, s.role_id, s.deployment_id, s.outcome::text) ORDER BY s.id) FROM settled s), '{}'),
         v_settled || coalesce((SELECT array_agg(e.id) FROM ended e), '{}'),
         v_nodes || coalesce((SELECT array_agg(e.node_id) FROM ended e), '{}'),
         (SELECT array_agg(s.id) FROM settled s WHERE s.state = 'ACTIVE'),
         (SELECT array_agg(s.id) FROM settled s WHERE s.state = 'ERROR'),
         (SELECT array_agg(s.id) FROM settled s WHERE s.state = 'BLOCKED'),
         (SELECT array_agg(s.id ORDER BY s.id) FROM settled s WHERE s.old_wall IS NOT NULL),
         (SELECT array_agg(s.old_wall ORDER BY s.id) FROM settled s WHERE s.old_wall IS NOT NULL),
         (SELECT array_agg(s.id) FROM settled s WHERE s.installed)
    INTO v_events, v_settled, v_nodes, v_active, v_error, v_blocked, v_walls, v_old_walls, v_installed;

  IF v_undo IS NOT NULL THEN
    WITH undone AS (
      UPDATE runs r SET stop_step = 'ask', stop_reason = 'it failed at the deadline of its wait', rung_at = NULL
       WHERE r.id = ANY(v_undo) AND r.id = ANY(v_settled) AND r.status = 'STOPPING' AND r.stop_outcome = 'failed' AND r.stop_step IS NULL
      RETURNING r.id
    )
    SELECT array_agg(u.id) INTO v_undo FROM undone u;
    IF v_undo IS NOT NULL THEN v_events := v_events || disarm_installs(v_undo); END IF;
  END IF;

  IF v_error IS NOT NULL THEN PERFORM start_waves(v_error); END IF;
  IF v_blocked IS NOT NULL THEN PERFORM join_waves(v_blocked); END IF;
  IF v_walls IS NOT NULL THEN
    SELECT t.events, t.nodes INTO v_more, v_free FROM tell_new_walls(v_walls, v_old_walls) t;
    v_events := v_events || v_more;
    v_nodes := v_nodes || v_free;
  END IF;

  IF v_installed IS NOT NULL THEN
    SELECT t.events, t.nodes INTO v_more, v_free FROM end_install_validity(v_installed) t;
    v_events := v_events || v_more;
    v_nodes := v_nodes || v_free;
  END IF;

  -- Last of what moves noderoles: what is held for the claim is not to be seen half released by another.
  IF v_active IS NOT NULL THEN
    SELECT a.events, a.nodes, a.held, a.held_nodes INTO v_more, v_free, v_held_children, v_held_nodes
      FROM adjust_children(v_active, -1, p_claim > 0 AND NOT EXISTS (SELECT 1 FROM rollouts r WHERE r.status IN ('running', 'paused', 'aborted'))) a;
    v_events := v_events || v_more;
    v_nodes := v_nodes || v_free;
  END IF;

  -- What was not taken: from the executor of a run that is being stopped it is the proof that it has stopped
  -- (engine-rules 1, 17); from anybody else it is a late result, kept for audit. Only a run that was RUNNING when it was
  -- stopped has a lease: for one that waited, what comes is its wait sent again, and the agent may be at work.
  IF cardinality(v_settled) < cardinality(p_runs) THEN
    WITH late AS (
      SELECT i.id, i.fence, i.body FROM unnest(p_runs, p_fences, p_bodies) AS i(id, fence, body) WHERE i.id <> ALL(v_settled)
    ), kept AS (
      INSERT INTO late_results (run_id, fence, body) SELECT l.id, l.fence, coalesce(l.body, '{"kind": "succeed"}') - 'wall' FROM late l
    ), stopped AS (
      UPDATE runs r SET status = 'ENDED', outcome = r.stop_outcome, ended_at = clock_timestamp(), lease_until = NULL,
             stop_proof = 'its worker has stopped it', error_code = coalesce(r.error_code, r.stop_outcome::text), error_message = coalesce(r.error_message, r.stop_reason)
        FROM late l WHERE r.id = l.id AND r.status = 'STOPPING' AND r.fence = l.fence + 1 AND r.lease_until IS NOT NULL AND r.stop_step IS NULL AND r.machine_boot_id IS NULL
         AND NOT EXISTS (SELECT 1 FROM agent_work w WHERE w.run_id = r.id AND w.status = 'revoked' AND w.boot_id IS NOT NULL)
      RETURNING r.id, r.dispatch, r.node_role_id, r.node_id, r.outcome, r.error_code
    )
    SELECT v_events || coalesce(array_agg(run_ended_event(s.id, s.dispatch, s.node_role_id, s.node_id, s.outcome, s.error_code)), '{}'),
           v_nodes || coalesce(array_agg(s.node_id), '{}')
      INTO v_events, v_nodes FROM stopped s;
  END IF;

  -- The others still have something to undo, or something of them on the machine: only their executor is out of it.
  IF cardinality(v_settled) < cardinality(p_runs) THEN
    UPDATE runs r SET lease_until = NULL FROM unnest(p_runs, p_fences) AS i(id, fence) WHERE r.id = i.id AND r.status = 'STOPPING' AND r.fence = i.fence + 1;
  END IF;

  -- Whose outcome was taken has its row locked by us and its fence looked at; the log of the others is looked at like any.
  IF cardinality(v_settled) = cardinality(p_runs) THEN
    BEGIN
      INSERT INTO run_logs (run_id, seq, text)
      SELECT c.id, c.seq, c.text FROM (
        SELECT i.id, coalesce((SELECT max(l.seq) + 1 FROM run_logs l WHERE l.run_id = i.id), 1) AS seq, i.text
          FROM unnest(p_runs, p_logs) AS i(id, text) WHERE i.text IS NOT NULL OFFSET 0) c
       WHERE c.seq <= 10000;
    EXCEPTION WHEN unique_violation THEN
      -- A chunk of an agent has taken the number meanwhile.
      PERFORM append_logs(p_runs, p_fences, NULL, p_logs);
    END;
  ELSE
    PERFORM append_logs(p_runs, p_fences, NULL, p_logs);
  END IF;

  IF p_claim > 0 AND cardinality(v_nodes) > 0 THEN
    SELECT c.rings, c.events INTO v_claimed, v_more FROM claim_nodes(v_nodes, p_claim, v_held_children, v_held_nodes) c;
    v_rings := v_rings || v_claimed;
    v_events := v_events || v_more;
  END IF;
  IF v_held_children IS NOT NULL THEN v_events := v_events || release_held(v_held_children); END IF;

  PERFORM emit_events(v_events);
  RETURN QUERY SELECT * FROM unnest(v_rings);
END $$;
