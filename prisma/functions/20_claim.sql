-- What runs next (the rule in words: src/annealer/model.ts). One noderole per machine, in (cohort, id) order.
--
-- How many more runs each class takes: twice its live worker slots less what already waits in the queue (engine-rules
-- 22), and no more than its cap leaves. A class without a live worker, or without room, is not among them.
DROP FUNCTION IF EXISTS claim_room(timestamptz);
CREATE FUNCTION claim_room(p_now timestamptz, OUT classes text[], OUT room bigint[]) LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET enable_sort = off AS $$
BEGIN
  WITH slot AS (
    SELECT s.job_class, sum(s.slots) AS n FROM worker_slots s WHERE s.heartbeat_at > p_now - interval '30 seconds' GROUP BY s.job_class
  ), waiting AS (
    SELECT r.job_class, count(*) AS n FROM runs r WHERE r.at_work AND r.status IN ('QUEUED', 'WAKING') AND r.holds_slot GROUP BY r.job_class
  ), free AS (
    SELECT slot.job_class, least(2 * slot.n - coalesce(waiting.n, 0),
             (SELECT c.max - (SELECT count(*) FROM runs r WHERE r.job_class = slot.job_class AND r.at_work) FROM caps c WHERE c.name = slot.job_class)) AS n
      FROM slot LEFT JOIN waiting ON waiting.job_class = slot.job_class)
  SELECT coalesce(array_agg(free.job_class), '{}'), coalesce(array_agg(free.n), '{}') INTO classes, room FROM free WHERE free.n > 0;
END $$;

-- Whether a full pass is worth its cost now, after runs of these classes were settled: no more than its slots full waits for
-- one of them. As long as all have more before them than they can take, a pass only finds what can wait.
CREATE OR REPLACE FUNCTION claim_is_due(p_classes text[]) RETURNS boolean LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  RETURN EXISTS (
    SELECT 1 FROM unnest(p_classes) AS c(name)
     WHERE (SELECT count(*) FROM runs r WHERE r.at_work AND r.status IN ('QUEUED', 'WAKING') AND r.holds_slot AND r.job_class = c.name)
        <= (SELECT sum(s.slots) FROM worker_slots s WHERE s.job_class = c.name AND s.heartbeat_at > clock_timestamp() - interval '30 seconds'));
END $$;

-- Of the noderoles chosen, in order, those that the caps of their deployments leave room for. The caller holds the caps.
CREATE OR REPLACE FUNCTION within_deployment_caps(p_chosen int[]) RETURNS int[] LANGUAGE sql STABLE AS $$
  SELECT array_agg(t.id ORDER BY t.n) FROM (
    SELECT c.id, c.n, cap.max, row_number() OVER (PARTITION BY nr.deployment_id ORDER BY c.n) AS place,
           CASE WHEN cap.max IS NOT NULL THEN (SELECT count(*) FROM runs r JOIN node_roles o ON o.id = r.node_role_id WHERE o.deployment_id = nr.deployment_id AND r.at_work) END AS used
      FROM unnest(p_chosen) WITH ORDINALITY AS c(id, n) JOIN node_roles nr ON nr.id = c.id LEFT JOIN caps cap ON cap.name = 'deployment:' || nr.deployment_id) t
   WHERE t.max IS NULL OR t.place <= t.max - t.used
$$;

-- The node row is the mutex (engine-rules 10): statement 1 takes idle candidate nodes, skipping those that somebody
-- else holds; the deployments involved are held FOR SHARE so that a recall waits for us or we for it. Nodes, deployments
-- and noderoles are skipped rather than waited for, so the claim can never be part of a deadlock; what was skipped is
-- claimed by the holder's kick or by the next sweep (engine-rules 11). Statement 2 has a fresh snapshot and checks
-- everything again. A full pass looks at every gate in statement 1 as well, though nothing is held yet: nodes that cannot be
-- claimed must not fill p_limit, or those after them would never be looked at.
-- OFFSET 0 keeps "has the machine a run" a question for each row, by its index: made a join, it walks all live runs for each.
-- Nested loops alone: they keep the order that a LIMIT needs, and nothing here is long on both sides.
-- p_nodes: the nodes a settle touched, or NULL for a full pass. p_held, p_held_nodes: children that this transaction has
-- released and not yet written (10_children.sql), ordered by node; they are claimed as if they were TODO.
-- Returns rings for the queue and the events.
DROP FUNCTION IF EXISTS claim_nodes(int[], int);
CREATE OR REPLACE FUNCTION claim_nodes(p_nodes int[], p_limit int, p_held int[] DEFAULT NULL, p_held_nodes int[] DEFAULT NULL, OUT rings engine_ring[], OUT events engine_event[]) LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_candidates int[];
  -- For each candidate, where in p_held its children begin and end; NULL: it has none there.
  v_from int[];
  v_to int[];
  v_deployments int[];
  v_back bigint[];
  v_woken engine_ring[];
  v_open text[];
  v_room bigint[];
  -- How much of what is TODO a full pass looks at: as much as there is room for.
  v_look bigint;
  -- Whether any of the candidates has something TODO; those of a chain have only what is held for them.
  v_ready boolean;
  -- What was picked, with what its runs are made of, side by side; v_chosen: those of it that all caps leave room for.
  v_picked int[];
  v_keys text[];
  v_jigs text[];
  v_classes text[];
  v_chosen int[];
  -- Room under the cap of all classes together; NULL: there is no such cap.
  v_total bigint;
  v_rolling boolean;
BEGIN
  rings := '{}';
  events := '{}';
  SELECT c.classes, c.room INTO v_open, v_room FROM claim_room(v_now) c;
  v_rolling := EXISTS (SELECT 1 FROM rollouts r WHERE r.status IN ('running', 'paused', 'aborted'));
  IF p_nodes IS NULL THEN
    v_look := (SELECT greatest(100, sum(free.n)) FROM unnest(v_room) AS free(n));
    -- From what is TODO to its nodes, role by role of the classes that have room, no further than there is room, and of that
    -- what comes first in the order of the claim: a pass costs what it finds, not what there is.
    SELECT array_agg(s.id) INTO v_candidates FROM (
      SELECT n.id FROM nodes n
       WHERE n.id IN (
         SELECT c.node_id FROM (
           SELECT l.node_id FROM unnest(v_open, v_room) AS free(job_class, n) JOIN roles ro ON ro.job_class = free.job_class CROSS JOIN LATERAL (
             SELECT t.node_id, t.cohort, t.id
               -- Ordered here, by its index, so that the LIMIT ends the walk: left to itself the planner takes a role's TODO for one
               -- row, looks at the gates of all of them and sorts what is left.
               FROM (SELECT o.* FROM node_roles o WHERE o.role_id = ro.id AND o.ready ORDER BY o.cohort, o.id) t
               JOIN nodes m ON m.id = t.node_id JOIN deployments d ON d.id = t.deployment_id
              WHERE (t.not_before IS NULL OR t.not_before <= v_now)
                AND m.alive AND m.available AND NOT m.deleting
                AND d.committed_at IS NOT NULL AND d.paused_at IS NULL
                AND (ro.runs_in = 'any' OR m.kind <> 'machine' OR ro.runs_in = m.boot_class::text)
                AND (ro.soft_after = '{}' AND ro.soft_after_deployment = '{}' OR soft_predecessor(t.id, m.id, d.id, ro.soft_after, ro.soft_after_deployment) IS NULL)
                AND (NOT v_rolling OR coalesce((rollout_stand(t.id)).room, 1) > 0)
                AND (m.target_role_id IS NULL OR t.id = ANY(target_line(m.id, m.target_role_id)))
                AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.exclusive_key = CASE WHEN m.kind = 'machine' THEN m.id::text ELSE m.id || ':' || t.role_id END AND r.ended_at IS NULL AND r.holds_slot OFFSET 0)
              ORDER BY t.cohort, t.id LIMIT least(p_limit, free.n)) l
            ORDER BY l.cohort, l.id LIMIT least(p_limit, v_look)) c
         UNION SELECT w.node_id FROM runs w WHERE w.ended_at IS NULL AND w.status = 'WAKING' AND NOT w.holds_slot)
         AND n.alive AND n.available AND NOT n.deleting
         AND (n.kind <> 'machine' OR NOT EXISTS (
               SELECT 1 FROM runs r WHERE r.exclusive_key = n.id::text AND r.ended_at IS NULL AND r.holds_slot OFFSET 0))
       ORDER BY n.id FOR NO KEY UPDATE SKIP LOCKED) s;
  ELSE
    SELECT array_agg(s.id), array_agg(s.first), array_agg(s.last) INTO v_candidates, v_from, v_to FROM (
      SELECT n.id, c.first, c.last
        FROM (SELECT u.id, min(u.n)::int AS first, max(u.n)::int AS last
                FROM (SELECT t.id, NULL::bigint AS n FROM unnest(p_nodes) AS t(id) UNION ALL SELECT h.id, h.n FROM unnest(p_held_nodes) WITH ORDINALITY AS h(id, n)) u
               GROUP BY u.id) c JOIN nodes n ON n.id = c.id
       WHERE n.alive AND n.available AND NOT n.deleting
         AND (c.first IS NOT NULL
              OR EXISTS (SELECT 1 FROM node_roles t WHERE t.node_id = n.id AND t.ready AND (t.not_before IS NULL OR t.not_before <= v_now))
              OR EXISTS (SELECT 1 FROM runs w WHERE w.node_id = n.id AND w.ended_at IS NULL AND w.status = 'WAKING' AND NOT w.holds_slot))
         AND (n.kind <> 'machine' OR NOT EXISTS (
               SELECT 1 FROM runs r WHERE r.exclusive_key = n.id::text AND r.ended_at IS NULL AND r.holds_slot OFFSET 0))
       ORDER BY n.id LIMIT p_limit FOR NO KEY UPDATE OF n SKIP LOCKED) s;
  END IF;
  IF v_candidates IS NULL THEN RETURN; END IF;

  -- Runs whose wait kept nothing come back first: they were begun before anything that is TODO (engine-rules 7).
  -- Found first, for the update by key: joined, a plan made while the table was small reads all of it for each batch.
  SELECT array_agg(c.id) INTO v_back FROM (
    SELECT DISTINCT ON (r.exclusive_key) r.id FROM runs r JOIN nodes n ON n.id = r.node_id
     WHERE r.node_id = ANY(v_candidates) AND r.ended_at IS NULL AND r.status = 'WAKING' AND NOT r.holds_slot
       AND n.alive AND n.available AND NOT n.deleting
       AND NOT EXISTS (SELECT 1 FROM runs o WHERE o.exclusive_key = r.exclusive_key AND o.ended_at IS NULL AND o.holds_slot OFFSET 0)
     ORDER BY r.exclusive_key, r.id) c;
  v_woken := '{}';
  IF v_back IS NOT NULL THEN
    WITH woken AS (
      UPDATE runs r SET holds_slot = true, dispatch = r.dispatch + 1, rung_at = clock_timestamp()
       WHERE r.id = ANY(v_back) AND r.status = 'WAKING' AND NOT r.holds_slot
      RETURNING r.id, r.dispatch, r.fence, r.job_class
    )
    SELECT coalesce(array_agg((w.id, w.dispatch, w.fence, w.job_class)::engine_ring), '{}') INTO v_woken FROM woken w;
  END IF;
  rings := v_woken;

  v_ready := EXISTS (SELECT 1 FROM node_roles t WHERE t.node_id = ANY(v_candidates) AND t.ready);
  SELECT array_agg(s.id) INTO v_deployments FROM (
    SELECT d.id FROM deployments d
     WHERE d.committed_at IS NOT NULL AND d.paused_at IS NULL
       AND d.id IN (SELECT t.deployment_id FROM node_roles t WHERE v_ready AND t.node_id = ANY(v_candidates) AND t.ready
                    UNION SELECT t.deployment_id FROM node_roles t WHERE t.id = ANY(p_held))
     ORDER BY d.id FOR SHARE SKIP LOCKED) s;
  IF v_deployments IS NULL THEN RETURN; END IF;

  -- Caps are counted under the lock of their row, never stored: they cannot drift (engine-rules 10c).
  PERFORM 1 FROM caps ORDER BY name FOR UPDATE;
  IF FOUND THEN SELECT c.classes, c.room INTO v_open, v_room FROM claim_room(v_now) c; END IF;

  SELECT greatest(0, c.max - (SELECT count(*) FROM runs r WHERE r.at_work)) INTO v_total FROM caps c WHERE c.name = 'total';

  -- Looked at again under the lock of the deployments: a commit may have begun a rollout since. Without one it costs nothing.
  v_rolling := EXISTS (SELECT 1 FROM rollouts r WHERE r.status IN ('running', 'paused', 'aborted') AND r.deployment_id = ANY(v_deployments));
  IF v_rolling THEN
    -- A rollout looks at the states as they are written.
    IF p_held IS NOT NULL THEN
      events := release_held(p_held);
      p_held := NULL;
      v_ready := true;
    END IF;
    events := events || rollout_hold(v_deployments);
  END IF;

  WITH room AS MATERIALIZED (
    SELECT c.job_class, c.n FROM unnest(v_open, v_room) AS c(job_class, n)
  ), picked AS (
    SELECT t.id, t.cohort, t.job_class, t.jig, CASE WHEN n.kind = 'machine' THEN n.id::text ELSE n.id || ':' || t.role_id END AS key
      FROM unnest(v_candidates, v_from, v_to) AS c(node_id, first, last)
      JOIN nodes n ON n.id = c.node_id
     CROSS JOIN LATERAL (
       -- A class without room is passed over here, not after: the head of a node's line must not stop what is behind it
       -- when nobody takes its class.
       SELECT nr.id, nr.cohort, nr.role_id, ro.job_class, ro.jig
         FROM (SELECT o.id, o.cohort, o.role_id, o.deployment_id, o.not_before FROM node_roles o WHERE v_ready AND o.node_id = n.id AND o.ready
               UNION ALL
               SELECT o.id, o.cohort, o.role_id, o.deployment_id, o.not_before FROM unnest(p_held[c.first:c.last]) AS h(id) JOIN node_roles o ON o.id = h.id) nr
         JOIN roles ro ON ro.id = nr.role_id AND ro.job_class = ANY(v_open)
        WHERE nr.deployment_id = ANY(v_deployments)
          AND (nr.not_before IS NULL OR nr.not_before <= v_now)
          AND (ro.runs_in = 'any' OR n.kind <> 'machine' OR ro.runs_in = n.boot_class::text)
          AND (ro.soft_after = '{}' AND ro.soft_after_deployment = '{}' OR soft_predecessor(nr.id, n.id, nr.deployment_id, ro.soft_after, ro.soft_after_deployment) IS NULL)
          AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.exclusive_key = CASE WHEN n.kind = 'machine' THEN n.id::text ELSE n.id || ':' || nr.role_id END AND r.ended_at IS NULL AND r.holds_slot OFFSET 0)
          AND (NOT v_rolling OR coalesce((rollout_stand(nr.id)).room, 1) > 0)
          AND (n.target_role_id IS NULL OR nr.id = ANY(target_line(n.id, n.target_role_id)))
        ORDER BY nr.cohort, nr.id
        LIMIT CASE WHEN n.kind = 'machine' THEN 1 ELSE 100 END) t
     WHERE n.alive AND n.available AND NOT n.deleting
  ), ranked AS (
    SELECT p.*, row_number() OVER (PARTITION BY p.job_class ORDER BY p.cohort, p.id) AS place FROM picked p
  )
  SELECT array_agg(c.id), array_agg(c.key), array_agg(c.jig), array_agg(c.job_class) INTO v_picked, v_keys, v_jigs, v_classes FROM (
    SELECT r.* FROM ranked r JOIN room ON room.job_class = r.job_class WHERE r.place <= room.n ORDER BY r.cohort, r.id LIMIT v_total) c;
  v_chosen := v_picked;
  IF EXISTS (SELECT 1 FROM caps WHERE name LIKE 'deployment:%') THEN v_chosen := within_deployment_caps(v_chosen); END IF;
  IF v_rolling THEN v_chosen := within_rollouts(v_chosen); END IF;
  IF v_chosen IS NULL THEN RETURN; END IF;

  WITH held AS MATERIALIZED (
    SELECT nr.id, nr.state AS was, nextval('runs_id_seq') AS run_id, c.jig, c.job_class, c.key
      FROM unnest(v_picked, v_keys, v_jigs, v_classes) AS c(id, key, jig, job_class) JOIN node_roles nr ON nr.id = c.id
     WHERE cardinality(v_chosen) = cardinality(v_picked) OR c.id = ANY(v_chosen)
       FOR NO KEY UPDATE OF nr SKIP LOCKED
  ), claimed AS (
    -- What the runs are made of is returned from here: joined once more, thousands of rows would meet in a nested loop.
    -- BLOCKED only those in p_held: two steps in one write, and two numbers. Another that is BLOCKED now was TODO when it was
    -- chosen, and one of its parents has left ACTIVE since.
    UPDATE node_roles nr SET state = 'TRANSITION', current_run_id = held.run_id, not_before = NULL, blocked_by = NULL,
           pending_parents = CASE WHEN nr.state = 'BLOCKED' THEN 0 ELSE nr.pending_parents END,
           error_code = NULL, error_message = NULL, version = nr.version + CASE WHEN nr.state = 'BLOCKED' THEN 2 ELSE 1 END, changed_at = clock_timestamp()
      FROM held WHERE nr.id = held.id AND nr.state = held.was AND (nr.state = 'TODO' OR nr.state = 'BLOCKED' AND nr.id IN (SELECT h.id FROM unnest(p_held) AS h(id)))
    RETURNING nr.id, nr.version, held.was, nr.state, nr.node_id, nr.role_id, nr.deployment_id, nr.failures, nr.infra_failures, held.run_id, held.jig, held.job_class, held.key
  ), inserted AS (
    INSERT INTO runs (id, node_role_id, node_id, role_id, attempt, retry_of, jig, job_class, exclusive_key, rung_at)
    SELECT c.run_id, c.id, c.node_id, c.role_id, c.failures + 1,
           CASE WHEN c.failures + c.infra_failures > 0 THEN (SELECT max(o.id) FROM runs o WHERE o.node_role_id = c.id) END,
           c.jig, c.job_class, c.key, clock_timestamp()
      FROM claimed c
    RETURNING id, dispatch, fence, job_class
  ), told AS (
    SELECT noderole_event(c.id, c.version, 'TODO', c.state, c.node_id, c.role_id, c.deployment_id, 'claimed') AS event, c.id, 1 AS step FROM claimed c
    UNION ALL
    SELECT noderole_event(c.id, c.version - 1, 'BLOCKED', 'TODO', c.node_id, c.role_id, c.deployment_id, 'parents active'), c.id, 0 FROM claimed c WHERE c.was = 'BLOCKED'
  )
  SELECT v_woken || coalesce((SELECT array_agg((i.id, i.dispatch, i.fence, i.job_class)::engine_ring ORDER BY i.id) FROM inserted i), '{}'),
         events || coalesce((SELECT array_agg(told.event ORDER BY told.id, told.step) FROM told), '{}')
    INTO rings, events;
  IF v_rolling THEN PERFORM rollout_take(rings); END IF;
END $$;

-- One claim pass as a transaction of its own (the annealer's kick and the sweep).
CREATE OR REPLACE FUNCTION claim(p_nodes int[], p_limit int) RETURNS SETOF engine_ring LANGUAGE plpgsql AS $$
DECLARE
  v record;
BEGIN
  SELECT * INTO v FROM claim_nodes(p_nodes, p_limit);
  PERFORM emit_events(v.events);
  RETURN QUERY SELECT * FROM unnest(v.rings);
END $$;
