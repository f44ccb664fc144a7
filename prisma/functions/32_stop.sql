-- The end of a run that was taken away (engine-rules 1, 17): its executor stops, its jig undoes what it began (onStop, a
-- dispatch of its own), and its slot is free when it is proven that nothing of it acts on the machine any more.

-- What proves it; NULL: nothing does yet. The executor's own word clears lease_until. Work that an agent has taken needs
-- the agent's word; a machine that works by itself (machine_boot_id: an installer) needs another boot, and both are
-- ended by a boot or by the loss of power.
CREATE OR REPLACE FUNCTION stop_proof(r runs, p_margin interval) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN r.lease_until >= clock_timestamp() - p_margin OR r.stop_step IN ('ask', 'running') THEN NULL
    WHEN r.stop_proof IS NOT NULL THEN r.stop_proof
    WHEN (w.run_id IS NULL OR w.boot_id IS NULL) AND r.machine_boot_id IS NULL
      THEN CASE WHEN r.lease_until IS NULL THEN 'nothing of it was on the machine' ELSE 'its worker is silent beyond its lease' END
    WHEN w.status = 'done' AND r.machine_boot_id IS NULL THEN 'the agent has nothing of it in hand'
    WHEN b.power = 'off' AND b.checked_at > r.stopping_at THEN 'the BMC says that the power is off'
    WHEN coalesce(w.boot_id, r.machine_boot_id) IS DISTINCT FROM st.boot_id AND r.machine_boot_id IS DISTINCT FROM st.boot_id
         AND (r.machine_boot_id IS NULL OR st.boot_class <> 'installer') THEN 'the machine has booted anew (' || coalesce(st.boot_id, '?') || ')'
    END
    FROM (SELECT 1) one
    LEFT JOIN agent_work w ON w.run_id = r.id
    LEFT JOIN node_status st ON st.node_id = r.node_id
    LEFT JOIN bmcs b ON b.node_id = r.node_id
$$;

-- STOPPING runs whose stop is proven are ended; what they must undo first comes first. Returns how many.
CREATE OR REPLACE FUNCTION prove_stopped(p_margin interval) RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_proof record;
  v_count int := 0;
BEGIN
  -- Who was undoing it is gone: again, later each time, and not for ever.
  UPDATE runs r SET stop_step = CASE WHEN r.stop_tries < 5 THEN 'ask' ELSE 'failed' END, worker = NULL, lease_until = NULL,
         stop_note = coalesce(r.stop_note, 'the worker that undid it went away'), rung_at = clock_timestamp()
   WHERE r.stopping_at IS NOT NULL AND r.ended_at IS NULL AND r.stop_step = 'running' AND r.lease_until < clock_timestamp() - p_margin;
  -- Its wait kept nothing, so its noderole may have been claimed again before the machine was free for undoing: who was to
  -- finish it is there, and undoing now would take away what that one has done.
  UPDATE runs r SET stop_step = 'done', stop_note = 'a newer run of the noderole goes on with it'
   WHERE r.stopping_at IS NOT NULL AND r.ended_at IS NULL AND r.stop_step = 'ask' AND NOT r.holds_slot
     AND EXISTS (SELECT 1 FROM runs n WHERE n.node_role_id = r.node_role_id AND n.id > r.id AND n.started_at IS NOT NULL);
  FOR v_proof IN
    SELECT p.proof, array_agg(p.id) AS ids FROM (
      SELECT r.id, stop_proof(r, p_margin) AS proof FROM runs r WHERE r.stopping_at IS NOT NULL AND r.ended_at IS NULL ORDER BY r.id + 0 LIMIT 500 FOR UPDATE OF r SKIP LOCKED) p
     WHERE p.proof IS NOT NULL GROUP BY p.proof ORDER BY 1
  LOOP
    v_count := v_count + finish_stopped(v_proof.ids, v_proof.proof);
  END LOOP;
  RETURN v_count;
END $$;

-- Whether the machine is free for the undoing of a run whose wait kept nothing; one that has the slot needs no leave.
CREATE OR REPLACE FUNCTION may_undo(r runs) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT r.holds_slot
      OR NOT EXISTS (SELECT 1 FROM runs o WHERE o.exclusive_key = r.exclusive_key AND o.ended_at IS NULL AND o.holds_slot)
     AND NOT EXISTS (SELECT 1 FROM runs n WHERE n.node_role_id = r.node_role_id AND n.id > r.id AND n.started_at IS NOT NULL)
$$;

-- A worker takes the undoing of a run; consumes the fence as a start does. No row: not now, or not this ring. The node's
-- lock first, as the claim does: the slot may be taken here.
CREATE OR REPLACE FUNCTION start_stop(p_run bigint, p_fence int, p_worker text, p_lease_seconds int) RETURNS SETOF runs LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM nodes WHERE id IN (
    SELECT r.node_id FROM runs r WHERE r.id = p_run AND r.fence = p_fence AND r.stopping_at IS NOT NULL AND r.ended_at IS NULL) FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  RETURN QUERY
  UPDATE runs r SET stop_step = 'running', stop_tries = r.stop_tries + 1, fence = r.fence + 1, worker = p_worker, holds_slot = true,
         lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds), rung_at = clock_timestamp()
   WHERE r.id = p_run AND r.fence = p_fence AND r.status = 'STOPPING' AND r.stop_step = 'ask'
     AND (r.lease_until IS NULL OR r.lease_until < clock_timestamp()) AND may_undo(r)
  RETURNING r.*;
END $$;

-- What came of it. p_proof: why nothing of the run acts on the machine any more; NULL: that is not known. p_error: it
-- failed, and is tried again.
CREATE OR REPLACE FUNCTION end_stop(p_run bigint, p_fence int, p_note text, p_proof text, p_error text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE runs r SET stop_step = CASE WHEN p_error IS NULL THEN 'done' WHEN r.stop_tries < 5 THEN 'ask' ELSE 'failed' END,
         stop_note = left(coalesce(p_error, p_note, r.stop_note), 4000), stop_proof = coalesce(p_proof, r.stop_proof), lease_until = NULL, worker = NULL
   WHERE r.id = p_run AND r.fence = p_fence AND r.status = 'STOPPING' AND r.stop_step = 'running';
  RETURN FOUND;
END $$;

-- Stops that take longer than p_deadline: one alarm each, with what an operator can do. Returns how many.
CREATE OR REPLACE FUNCTION tell_stuck(p_deadline interval) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[];
BEGIN
  WITH stuck AS (
    UPDATE runs r SET stuck_at = clock_timestamp()
     WHERE r.stopping_at IS NOT NULL AND r.ended_at IS NULL AND r.stuck_at IS NULL AND r.stopping_at < clock_timestamp() - p_deadline
       -- What waits for the machine, which others have, holds nothing up.
       AND r.holds_slot
    RETURNING r.id, r.node_id, r.node_role_id, r.stopping_at, r.stop_step, r.stop_note
  )
  SELECT coalesce(array_agg(('alarm', 'run', s.id, 0, jsonb_build_object('code', 'stuck', 'run_id', s.id, 'node_id', s.node_id, 'noderole_id', s.node_role_id,
           'message', 'run ' || s.id || ' is being stopped since ' || to_char(s.stopping_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"') || ' and nothing proves that its machine is free'
             || CASE WHEN s.stop_step = 'failed' THEN ' (undoing it failed: ' || coalesce(s.stop_note, '?') || ')' ELSE '' END,
           'fix', 'power off or reboot the machine; or, when you know that nothing of it runs: prybar runs force-end ' || s.id || ' --reason <why>'))::engine_event ORDER BY s.id), '{}')
    INTO v_events FROM stuck s;
  PERFORM emit_events(v_events);
  RETURN cardinality(v_events);
END $$;

-- One more turn in a run's history; a hundred are kept.
CREATE OR REPLACE FUNCTION turns_with(p_turns jsonb, p_turn jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN jsonb_array_length(p_turns) >= 100 THEN (p_turns - 0) ELSE p_turns END || p_turn
$$;

-- In the transaction that breaks an installation off: it hands out nothing any more, and the machine's next PXE boot is
-- parked, not installed (engine-rules 17). `unknown` when its disk was claimed; that one keeps its completion token, as
-- evidence. The caller holds the nodes. Returns the events.
CREATE OR REPLACE FUNCTION disarm_installs(p_runs bigint[]) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[];
  v_more engine_event[];
  v_installs int[];
  v_nodes int[];
BEGIN
  SELECT array_agg(s.id) INTO v_installs FROM (
    SELECT i.id FROM installs i JOIN runs r ON r.node_role_id = i.node_role_id AND r.node_id = i.node_id
     WHERE r.id = ANY(p_runs) AND i.status IN ('armed', 'fetched', 'wiping') ORDER BY i.id FOR UPDATE OF i) s;
  IF v_installs IS NULL THEN RETURN '{}'; END IF;
  WITH before AS (SELECT i.id, i.status FROM installs i WHERE i.id = ANY(v_installs)), ended AS (
    UPDATE installs i SET status = CASE WHEN i.status = 'wiping' THEN 'unknown'::install_status ELSE 'abandoned' END, ended_at = clock_timestamp()
     WHERE i.id = ANY(v_installs)
    RETURNING i.id, i.node_id, i.node_role_id, i.bootenv, i.status
  )
  SELECT array_agg(('install-changed', 'install', e.id, 0, jsonb_build_object('node_id', e.node_id, 'noderole_id', e.node_role_id, 'bootenv', e.bootenv,
           'from', b.status, 'to', e.status, 'reason', 'its run was stopped'))::engine_event ORDER BY e.id), array_agg(DISTINCT e.node_id)
    INTO v_events, v_nodes FROM ended e JOIN before b ON b.id = e.id;
  UPDATE node_tokens t SET revoked_at = clock_timestamp() FROM installs i
   WHERE t.install_id = i.id AND i.id = ANY(v_installs) AND t.revoked_at IS NULL AND (t.kind = 'boot' OR t.kind = 'install' AND i.status = 'abandoned');
  WITH parked AS (
    UPDATE nodes n SET bootenv = 'maintenance', boot_reason = 'an installation was broken off', desired_gen = n.desired_gen + 1, version = n.version + 1
     WHERE n.id = ANY(v_nodes) AND n.bootenv <> 'maintenance' RETURNING n.id, n.version
  )
  SELECT coalesce(array_agg(('node-changed', 'node', p.id, p.version, '{"changed":["bootenv"]}')::engine_event ORDER BY p.id), '{}') INTO v_more FROM parked p;
  RETURN v_events || v_more;
END $$;
