-- Rolling change: the rule of src/annealer/rollout.ts as SQL (a property test holds one against the other). The claim
-- asks `rollout_stand` of each TODO while any rollout holds claims back; its counters are true under the lock of the
-- rollout's row, which every claimer takes after the deployments it holds FOR SHARE. Whoever holds that lock waits for no
-- other one, and who changes a rollout by hand or by a commit holds its deployment first: no deadlock.

-- What limits a noderole: its role, the whole deployment, or a failure domain (a path in the node's hint or discovery).
CREATE OR REPLACE FUNCTION rollout_group_key(p_per text, p_role text, p_hint jsonb, p_discovery jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN p_per = 'role' THEN 'role ' || p_role
    WHEN p_per = 'deployment' THEN 'the deployment'
    ELSE substr(p_per, strpos(p_per, '.') + 1) || ' ' || coalesce(nullif(
      (CASE WHEN p_per LIKE 'hint.%' THEN p_hint ELSE p_discovery END) #>> string_to_array(substr(p_per, strpos(p_per, '.') + 1), '.'), ''), '(none)') END
$$;

-- A number of nodes as a policy spells it: {"count": 5} or {"percent": 20}. Percent of a group rounds down, but a group
-- can always begin one node.
CREATE OR REPLACE FUNCTION rollout_amount(p_amount jsonb, p_nodes int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_amount ? 'count' THEN (p_amount->>'count')::int
              ELSE greatest(1, floor(p_nodes * (p_amount->>'percent')::numeric / 100)::int) END
$$;

-- The one shape of "a rollout changed".
CREATE OR REPLACE FUNCTION rollout_event(p_rollout int, p_why text) RETURNS engine_event LANGUAGE sql STABLE AS $$
  SELECT ('rollout-changed', 'deployment', r.deployment_id, r.version, jsonb_build_object('rollout_id', r.id, 'revision', r.revision,
          'status', r.status, 'phase', r.phase, 'reason', r.reason, 'why', p_why))::engine_event
    FROM rollouts r WHERE r.id = p_rollout
$$;

-- A member's failure as a number that changes with every new one: its own error epoch, or that of what blocks it.
CREATE OR REPLACE FUNCTION rollout_faults(p_rollout int) RETURNS TABLE (node_role_id int, node_id int, group_key text, canary boolean, begun boolean, state node_role_state, fault int, accepted boolean)
LANGUAGE sql STABLE AS $$
  SELECT m.node_role_id, m.node_id, m.group_key, m.canary, m.begun, nr.state, f.fault, f.fault IS NOT NULL AND f.fault IS NOT DISTINCT FROM m.accepted_epoch
    FROM rollout_members m JOIN node_roles nr ON nr.id = m.node_role_id
    LEFT JOIN node_roles root ON root.id = nr.blocked_by AND root.state = 'ERROR' AND nr.state = 'BLOCKED'
   CROSS JOIN LATERAL (SELECT CASE WHEN nr.state = 'ERROR' THEN nr.error_epoch ELSE root.error_epoch END AS fault) f
   WHERE m.rollout_id = p_rollout
$$;

-- Each commit begins a rollout when its deployment has a policy, over the noderoles that have to run. What an earlier
-- rollout has not finished goes over to it; without a policy it is simply let go. The caller holds the deployment and its
-- noderoles. Returns the events.
CREATE OR REPLACE FUNCTION rollout_begin(p_deployment int, p_revision int) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_policy jsonb;
  v_id int;
  v_old int;
BEGIN
  SELECT rollout_policy INTO v_policy FROM deployments WHERE id = p_deployment;
  UPDATE rollouts SET status = 'superseded', reason = 'by revision ' || p_revision, version = version + 1, changed_at = clock_timestamp(), ended_at = clock_timestamp()
   WHERE deployment_id = p_deployment AND status IN ('running', 'paused', 'aborted') RETURNING id INTO v_old;
  IF v_policy IS NULL
     OR NOT EXISTS (SELECT 1 FROM node_roles WHERE deployment_id = p_deployment AND state IN ('TODO', 'BLOCKED', 'TRANSITION')) THEN
    RETURN CASE WHEN v_old IS NULL THEN '{}'::engine_event[] ELSE ARRAY[rollout_event(v_old, 'superseded')] END;
  END IF;
  INSERT INTO rollouts (deployment_id, revision, policy) VALUES (p_deployment, p_revision, v_policy) RETURNING id INTO v_id;
  INSERT INTO rollout_members (node_role_id, rollout_id, node_id, group_key, accepted_epoch)
  SELECT nr.id, v_id, nr.node_id, rollout_group_key(v_policy->>'per', ro.name, n.hint, n.discovery), CASE WHEN nr.state = 'ERROR' THEN nr.error_epoch END
    FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id
   WHERE nr.deployment_id = p_deployment AND nr.state IN ('TODO', 'BLOCKED', 'TRANSITION', 'ERROR') AND NOT nr.barrier
  ON CONFLICT (node_role_id) DO UPDATE SET rollout_id = EXCLUDED.rollout_id, group_key = EXCLUDED.group_key, canary = false, begun = false, accepted_epoch = EXCLUDED.accepted_epoch;
  INSERT INTO rollout_groups (rollout_id, key, nodes, max_in_flight)
  SELECT v_id, m.group_key, count(DISTINCT m.node_id), rollout_amount(v_policy->'limit', count(DISTINCT m.node_id)::int) FROM rollout_members m WHERE m.rollout_id = v_id GROUP BY m.group_key;

  -- The canaries, and whatever of this rollout they wait for, hard or softly: they could not end without it.
  WITH RECURSIVE wanted AS (
    SELECT c.node_id FROM (
      SELECT n.id AS node_id, row_number() OVER (ORDER BY NOT (n.alive AND n.available), n.id) AS place, count(*) OVER () AS nodes
        FROM nodes n WHERE n.id IN (SELECT m.node_id FROM rollout_members m JOIN node_roles nr ON nr.id = m.node_role_id WHERE m.rollout_id = v_id AND nr.state <> 'ERROR')) c
     WHERE CASE WHEN v_policy->'canaries' ? 'nodes' THEN v_policy->'canaries'->'nodes' @> to_jsonb(c.node_id)
                WHEN v_policy->'canaries' IS NULL OR v_policy->'canaries' = 'null' THEN false
                ELSE c.place <= rollout_amount(v_policy->'canaries', c.nodes::int) END
  ), upward AS (
    SELECT m.node_role_id AS id FROM rollout_members m JOIN wanted ON wanted.node_id = m.node_id WHERE m.rollout_id = v_id
    UNION
    SELECT p.id FROM upward u CROSS JOIN LATERAL (
      SELECT e.parent_id AS id FROM node_role_edges e WHERE e.child_id = u.id
      UNION ALL SELECT b.id FROM node_roles c JOIN roles cr ON cr.id = c.role_id AND cr.soft_after <> '{}' JOIN node_roles b ON b.node_id = c.node_id AND b.role_id = ANY(cr.soft_after) WHERE c.id = u.id
      UNION ALL SELECT b.id FROM node_roles c JOIN roles cr ON cr.id = c.role_id AND cr.soft_after_deployment <> '{}' JOIN node_roles b ON b.deployment_id = c.deployment_id AND b.role_id = ANY(cr.soft_after_deployment) WHERE c.id = u.id
    ) before JOIN node_roles p ON p.id = before.id AND p.deployment_id = p_deployment AND p.state::text <> 'ACTIVE'
  )
  UPDATE rollout_members m SET canary = true FROM upward u WHERE m.node_role_id = u.id AND m.rollout_id = v_id;
  UPDATE rollouts SET phase = 'canary' WHERE id = v_id AND EXISTS (SELECT 1 FROM rollout_members WHERE rollout_id = v_id AND canary);
  PERFORM rollout_places_now(v_id);
  RETURN CASE WHEN v_old IS NULL THEN '{}'::engine_event[] ELSE ARRAY[rollout_event(v_old, 'superseded')] END || rollout_event(v_id, 'begun');
END $$;

-- Places given back where nothing of the group moves on the node any more, taken where something already runs; then
-- counted anew, so that the number cannot drift. What is TODO but may not go before others have gone (the canaries, soft
-- order) keeps no place: those others may be waiting for it.
CREATE OR REPLACE FUNCTION rollout_places_now(p_rollout int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM rollout_places p WHERE p.rollout_id = p_rollout AND NOT EXISTS (
    SELECT 1 FROM rollout_members m JOIN rollouts r ON r.id = m.rollout_id JOIN node_roles nr ON nr.id = m.node_role_id JOIN roles ro ON ro.id = nr.role_id
     WHERE m.rollout_id = p_rollout AND m.node_id = p.node_id AND m.group_key = p.group_key
       AND (nr.state::text = 'TRANSITION' OR nr.state::text = 'TODO' AND (r.phase = 'fleet' OR m.canary)
            AND (ro.soft_after = '{}' AND ro.soft_after_deployment = '{}' OR soft_predecessor(nr.id, nr.node_id, nr.deployment_id, ro.soft_after, ro.soft_after_deployment) IS NULL)));
  INSERT INTO rollout_places (rollout_id, group_key, node_id)
  SELECT DISTINCT p_rollout, m.group_key, m.node_id FROM rollout_members m JOIN node_roles nr ON nr.id = m.node_role_id
   WHERE m.rollout_id = p_rollout AND nr.state::text = 'TRANSITION'
  ON CONFLICT DO NOTHING;
  UPDATE rollout_groups g SET in_flight = t.n FROM (
    SELECT o.key, (SELECT count(*)::int FROM rollout_places p WHERE p.rollout_id = p_rollout AND p.group_key = o.key) AS n FROM rollout_groups o WHERE o.rollout_id = p_rollout) t
   WHERE g.rollout_id = p_rollout AND g.key = t.key AND g.in_flight <> t.n;
END $$;

-- What becomes of the rollout now: places, then done, then a pause by itself, then the next phase. The caller holds its
-- row. Returns the events.
CREATE OR REPLACE FUNCTION rollout_assess(p_rollout int) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v record;
  n record;
  v_reason text;
BEGIN
  PERFORM rollout_places_now(p_rollout);
  SELECT r.*, d.name AS deployment INTO v FROM rollouts r JOIN deployments d ON d.id = r.deployment_id WHERE r.id = p_rollout;
  IF NOT EXISTS (SELECT 1 FROM rollout_members m JOIN node_roles nr ON nr.id = m.node_role_id WHERE m.rollout_id = p_rollout AND nr.state::text NOT IN ('ACTIVE', 'PROPOSED')) THEN
    UPDATE rollouts SET status = 'done', reason = NULL, version = version + 1, changed_at = clock_timestamp(), ended_at = clock_timestamp() WHERE id = p_rollout;
    RETURN ARRAY[rollout_event(p_rollout, 'done')];
  END IF;
  IF v.status <> 'running' THEN RETURN '{}'; END IF;

  SELECT count(*)::int AS nodes, (count(*) FILTER (WHERE s.failed))::int AS failed, (count(*) FILTER (WHERE s.done OR s.failed))::int AS sample,
         coalesce(bool_and(s.done OR (s.faulty AND NOT s.moving)), true) AS ended
    INTO n FROM (
    SELECT t.node_id, t.done, t.moving, t.faulty, t.error OR (NOT t.moving AND t.blocked AND (t.begun OR v.phase = 'canary')) AS failed FROM (
      SELECT f.node_id, bool_and(f.state = 'ACTIVE') AS done, bool_or(f.state IN ('TODO', 'TRANSITION')) AS moving, bool_or(f.begun) AS begun,
             bool_or(f.fault IS NOT NULL) AS faulty,
             bool_or(f.state = 'ERROR' AND NOT f.accepted) AS error,
             bool_or(f.state = 'BLOCKED' AND f.fault IS NOT NULL AND NOT f.accepted) AS blocked
        FROM rollout_faults(p_rollout) f WHERE f.state <> 'PROPOSED' AND (v.phase = 'fleet' OR f.canary) GROUP BY f.node_id) t) s;

  IF n.failed > 0 AND n.sample >= least((v.policy->>'min_sample')::int, n.nodes) AND n.failed * 100 > (v.policy->>'pause_above')::numeric * n.sample THEN
    v_reason := n.failed || ' of ' || n.sample || CASE WHEN v.phase = 'canary' THEN ' canaries failed' ELSE ' nodes failed' END;
    UPDATE rollouts SET status = 'paused', reason = v_reason, version = version + 1, changed_at = clock_timestamp() WHERE id = p_rollout;
    RETURN ARRAY[rollout_event(p_rollout, 'paused'),
      ('alarm', 'deployment', v.deployment_id, v.version + 1, jsonb_build_object('code', 'rollout-paused', 'rollout_id', p_rollout,
        'message', 'the rollout of deployment ' || v.deployment || ' paused itself: ' || v_reason || '; resume with: prybar rollout resume ' || v.deployment))::engine_event];
  END IF;
  IF v.phase = 'canary' AND n.ended THEN
    UPDATE rollouts SET phase = 'fleet', version = version + 1, changed_at = clock_timestamp() WHERE id = p_rollout;
    RETURN ARRAY[rollout_event(p_rollout, 'canaries done')];
  END IF;
  RETURN '{}';
END $$;

-- For the claim: takes the rollouts of the deployments it holds, and brings them to now. Returns the events.
CREATE OR REPLACE FUNCTION rollout_hold(p_deployments int[]) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_id int;
  v_ids int[];
  v_events engine_event[] := '{}';
BEGIN
  SELECT array_agg(s.id) INTO v_ids FROM (
    SELECT r.id FROM rollouts r WHERE r.deployment_id = ANY(p_deployments) AND r.status IN ('running', 'paused', 'aborted') ORDER BY r.id FOR UPDATE) s;
  FOREACH v_id IN ARRAY coalesce(v_ids, '{}') LOOP
    v_events := v_events || rollout_assess(v_id);
  END LOOP;
  RETURN v_events;
END $$;

-- How a noderole stands with the rollout that holds it: how many more nodes may begin in its group, 0 when it waits,
-- 2147483647 when its node has a place. All NULL when no rollout holds it.
CREATE OR REPLACE FUNCTION rollout_stand(p_noderole int, OUT rollout_id int, OUT group_key text, OUT room int) LANGUAGE sql STABLE AS $$
  SELECT r.id, m.group_key, CASE
      WHEN NOT ((r.status = 'running' AND (r.phase = 'fleet' OR m.canary))
             OR (r.status = 'aborted' AND EXISTS (SELECT 1 FROM rollout_members o WHERE o.rollout_id = r.id AND o.node_id = m.node_id AND o.begun))) THEN 0
      WHEN EXISTS (SELECT 1 FROM rollout_places p WHERE p.rollout_id = r.id AND p.group_key = m.group_key AND p.node_id = m.node_id) THEN 2147483647
      ELSE greatest(0, g.max_in_flight - g.in_flight) END
    FROM rollout_members m JOIN rollouts r ON r.id = m.rollout_id AND r.status IN ('running', 'paused', 'aborted')
    JOIN rollout_groups g ON g.rollout_id = r.id AND g.key = m.group_key
   WHERE m.node_role_id = p_noderole
$$;

-- Of what the claim has chosen, in its order, no more than each group of a rollout has room for.
CREATE OR REPLACE FUNCTION within_rollouts(p_chosen int[]) RETURNS int[] LANGUAGE sql STABLE AS $$
  SELECT array_agg(t.id ORDER BY t.n) FROM (
    SELECT c.id, c.n, w.room, row_number() OVER (PARTITION BY w.rollout_id, w.group_key, w.room ORDER BY c.n) AS turn
      FROM unnest(p_chosen) WITH ORDINALITY AS c(id, n) CROSS JOIN LATERAL (SELECT (s).rollout_id, (s).group_key, (s).room FROM (SELECT rollout_stand(c.id) AS s) one) w) t
   WHERE t.room IS NULL OR t.turn <= t.room
$$;

-- For the claim, after it: what was claimed has begun and has its place.
CREATE OR REPLACE FUNCTION rollout_take(p_rings engine_ring[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_rollout int;
BEGIN
  UPDATE rollout_members m SET begun = true FROM unnest(p_rings) g JOIN runs r ON r.id = g.run_id WHERE m.node_role_id = r.node_role_id AND NOT m.begun;
  FOR v_rollout IN
    SELECT DISTINCT m.rollout_id FROM unnest(p_rings) g JOIN runs r ON r.id = g.run_id JOIN rollout_members m ON m.node_role_id = r.node_role_id
      JOIN rollouts o ON o.id = m.rollout_id AND o.status IN ('running', 'paused', 'aborted')
  LOOP
    PERFORM rollout_places_now(v_rollout);
  END LOOP;
END $$;

-- The sweep's share: a rollout whose last node has ended is claimed by nobody any more, so nobody would see that it is
-- done, or that it has failed too often. Returns how many changed.
CREATE OR REPLACE FUNCTION rollout_sweep() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_id int;
  v_events engine_event[] := '{}';
BEGIN
  FOR v_id IN SELECT r.id FROM rollouts r WHERE r.status IN ('running', 'paused', 'aborted') ORDER BY r.id FOR UPDATE SKIP LOCKED LOOP
    v_events := v_events || rollout_assess(v_id);
  END LOOP;
  PERFORM emit_events(v_events);
  RETURN cardinality(v_events);
END $$;
