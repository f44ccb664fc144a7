-- Power that the engine switches itself: decided here, carried out after the commit by src/power/orders.ts.

-- Nothing of the node wants to run, and nothing that hangs below it does: every committed noderole on it is ACTIVE and no
-- child elsewhere is under way. What is in ERROR keeps it on, for whoever looks into that.
CREATE OR REPLACE FUNCTION node_is_idle(p_node int) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT NOT EXISTS (SELECT 1 FROM node_roles nr WHERE nr.node_id = p_node AND nr.state::text IN ('BLOCKED', 'TODO', 'TRANSITION', 'ERROR'))
     AND NOT EXISTS (SELECT 1 FROM node_roles p JOIN node_role_edges e ON e.parent_id = p.id JOIN node_roles c ON c.id = e.child_id
                      WHERE p.node_id = p_node AND c.node_id <> p_node AND c.state::text IN ('BLOCKED', 'TODO', 'TRANSITION'))
     AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.node_id = p_node AND r.ended_at IS NULL)
$$;

-- On: machines with a BMC that are not alive and have work that only waits for that (`power_on: auto` of its deployment).
-- Work older than the last time somebody switched the machine off does not count: who switches it off means it. Tried
-- anew after p_again, because a machine that was switched on may not come up.
-- Off: machines whose roles flagged powersave are ACTIVE and where nothing else is under way, unless their hint stay_on is
-- set; once for each time that they come to rest.
CREATE OR REPLACE FUNCTION decide_power(p_again interval) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_on int;
  v_off int;
BEGIN
  WITH wanted AS (
    SELECT n.id, w.node_role_id, w.version, w.name FROM nodes n JOIN bmcs b ON b.node_id = n.id LEFT JOIN power_orders o ON o.node_id = n.id
     CROSS JOIN LATERAL (
       SELECT nr.id AS node_role_id, nr.version, ro.name FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN deployments d ON d.id = nr.deployment_id
        WHERE nr.node_id = n.id AND nr.ready AND d.committed_at IS NOT NULL AND d.paused_at IS NULL AND d.power_on = 'auto'
          AND (nr.not_before IS NULL OR nr.not_before <= clock_timestamp())
          AND (ro.runs_in = 'any' OR (ro.runs_in = 'installed') = (n.bootenv = 'local'))
          AND coalesce((rollout_stand(nr.id)).room, 1) > 0
          AND (n.target_role_id IS NULL OR nr.id = ANY(target_line(n.id, n.target_role_id)))
          AND (o.node_id IS NULL OR o.action = 'on' OR nr.changed_at > o.decided_at)
        ORDER BY nr.cohort, nr.id LIMIT 1) w
     WHERE n.kind = 'machine' AND NOT n.alive AND n.available AND NOT n.deleting
       AND (o.node_id IS NULL OR o.action = 'off' OR o.done_at < clock_timestamp() - p_again)
       AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.exclusive_key = n.id::text AND r.ended_at IS NULL AND r.holds_slot)
     ORDER BY n.id LIMIT 200
  ), ordered AS (
    INSERT INTO power_orders (node_id, action, cause, node_role_id, node_role_version)
    SELECT w.id, 'on', 'work is waiting: ' || w.name, w.node_role_id, w.version FROM wanted w
    ON CONFLICT (node_id) DO UPDATE SET action = 'on', cause = EXCLUDED.cause, node_role_id = EXCLUDED.node_role_id, node_role_version = EXCLUDED.node_role_version,
      decided_at = clock_timestamp(), not_before = clock_timestamp(), attempts = 0, done_at = NULL, last_error = NULL
    RETURNING 1
  )
  SELECT count(*) INTO v_on FROM ordered;

  IF NOT EXISTS (SELECT 1 FROM roles WHERE 'powersave' = ANY(flags)) THEN RETURN v_on; END IF;
  WITH saving AS (
    SELECT n.id, s.node_role_id, s.version, s.name FROM nodes n JOIN bmcs b ON b.node_id = n.id LEFT JOIN power_orders o ON o.node_id = n.id
     CROSS JOIN LATERAL (
       SELECT nr.id AS node_role_id, nr.version, ro.name FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id AND 'powersave' = ANY(ro.flags)
        WHERE nr.node_id = n.id AND nr.state = 'ACTIVE' ORDER BY nr.id LIMIT 1) s
     CROSS JOIN LATERAL (SELECT max(nr.changed_at) AS at FROM node_roles nr WHERE nr.node_id = n.id AND nr.state = 'ACTIVE') rest
     WHERE n.kind = 'machine' AND n.alive AND n.available AND NOT n.deleting AND coalesce(n.hint->>'stay_on', 'false') <> 'true'
       AND (o.node_id IS NULL OR (o.done_at IS NOT NULL AND o.decided_at < rest.at))
       AND node_is_idle(n.id)
     ORDER BY n.id LIMIT 200
  ), ordered AS (
    INSERT INTO power_orders (node_id, action, cause, node_role_id, node_role_version)
    SELECT s.id, 'off', 'powersave: ' || s.name || ' is ACTIVE and nothing else is under way', s.node_role_id, s.version FROM saving s
    ON CONFLICT (node_id) DO UPDATE SET action = 'off', cause = EXCLUDED.cause, node_role_id = EXCLUDED.node_role_id, node_role_version = EXCLUDED.node_role_version,
      decided_at = clock_timestamp(), not_before = clock_timestamp(), attempts = 0, done_at = NULL, last_error = NULL
    RETURNING 1
  )
  SELECT count(*) INTO v_off FROM ordered;
  RETURN v_on + v_off;
END $$;

-- Orders that are due, taken for two minutes: who dies with one leaves it to the next.
CREATE OR REPLACE FUNCTION take_power_orders(p_limit int) RETURNS TABLE (node_id int, action text, cause text, bootenv text, attempts int) LANGUAGE sql AS $$
  UPDATE power_orders o SET not_before = clock_timestamp() + interval '2 minutes', attempts = o.attempts + 1
    FROM (SELECT p.node_id FROM power_orders p WHERE p.done_at IS NULL AND p.not_before <= clock_timestamp() + interval '1 millisecond' ORDER BY p.not_before LIMIT p_limit FOR UPDATE SKIP LOCKED) due, nodes n
   WHERE o.node_id = due.node_id AND n.id = o.node_id
  RETURNING o.node_id, o.action, o.cause, n.bootenv, o.attempts
$$;

-- For an order that switches off: the machine is taken out of work under its lock, if it is idle still. False: it is not.
CREATE OR REPLACE FUNCTION retire_for_power(p_node int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_version int;
BEGIN
  PERFORM 1 FROM nodes WHERE id = p_node FOR NO KEY UPDATE;
  IF NOT node_is_idle(p_node) THEN RETURN false; END IF;
  UPDATE nodes SET alive = false, version = version + 1 WHERE id = p_node AND alive AND NOT deleting RETURNING version INTO v_version;
  IF v_version IS NOT NULL THEN
    PERFORM emit_events(ARRAY[('node-changed', 'node', p_node, v_version, jsonb_build_object('changed', jsonb_build_array('alive')))::engine_event]);
  END IF;
  RETURN true;
END $$;
