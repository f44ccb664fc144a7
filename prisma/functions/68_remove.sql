-- How noderoles and nodes go (engine-rules 25, rows "repropose", "unbind" and "node delete" of the table).

-- Takes noderoles back to PROPOSED, whatever they are; what runs is stopped and keeps its slot until that is proven. The
-- caller holds the locks of their nodes, of them and of their children. A parent that is proposed again satisfies nobody:
-- the counters of its children rise and stay. Returns the events.
CREATE OR REPLACE FUNCTION repropose_noderoles(p_ids int[], p_reason text) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[] := '{}';
  v_more engine_event[];
  v_runs bigint[];
  v_left int[];
BEGIN
  SELECT array_agg(nr.current_run_id) INTO v_runs FROM node_roles nr WHERE nr.id = ANY(p_ids) AND nr.current_run_id IS NOT NULL;
  IF v_runs IS NOT NULL THEN v_events := stop_runs(v_runs, 'cancelled', p_reason); END IF;
  WITH before AS (
    SELECT nr.id, nr.state FROM node_roles nr WHERE nr.id = ANY(p_ids) AND nr.state::text <> 'PROPOSED'
  ), moved AS (
    UPDATE node_roles nr SET state = 'PROPOSED', current_run_id = NULL, failures = 0, not_before = NULL, blocked_by = NULL, error_code = NULL, error_message = NULL,
           last_ok_hash = CASE WHEN b.state = 'TRANSITION' THEN NULL ELSE nr.last_ok_hash END, version = nr.version + 1, changed_at = clock_timestamp()
      FROM before b WHERE nr.id = b.id
    RETURNING nr.id, nr.version, b.state AS was, nr.state, nr.node_id, nr.role_id, nr.deployment_id
  )
  SELECT v_events || coalesce(array_agg(noderole_event(m.id, m.version, m.was, m.state, m.node_id, m.role_id, m.deployment_id, p_reason) ORDER BY m.id), '{}'),
         array_agg(m.id) FILTER (WHERE m.was = 'ACTIVE')
    INTO v_events, v_left FROM moved m;
  IF v_left IS NOT NULL THEN
    SELECT a.events INTO v_more FROM adjust_children(v_left, 1) a;
    v_events := v_events || v_more;
  END IF;
  RETURN v_events;
END $$;

-- Removes noderoles together; none of them may have a live run. Children that stay must be PROPOSED: they lose the edge
-- and remember that they lost a parent, so that no commit takes it for satisfied. Same locks. Returns the events.
CREATE OR REPLACE FUNCTION remove_noderoles(p_ids int[], p_reason text) RETURNS engine_event[] LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[];
BEGIN
  v_events := leave_barriers(p_ids);
  WITH lost AS (
    SELECT e.child_id, (count(*) FILTER (WHERE p.committed AND p.state <> 'ACTIVE'))::int AS pending, array_agg(ro.name || '@' || n.name ORDER BY p.id) AS names
      FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id JOIN roles ro ON ro.id = p.role_id JOIN nodes n ON n.id = p.node_id
     WHERE e.parent_id = ANY(p_ids) AND e.child_id <> ALL(p_ids) GROUP BY e.child_id
  )
  UPDATE node_roles c SET pending_parents = c.pending_parents - lost.pending, lost_parents = c.lost_parents || lost.names, version = c.version + 1
    FROM lost WHERE c.id = lost.child_id;
  SELECT v_events || coalesce(array_agg(('noderole-changed', 'noderole', nr.id, nr.version + 1, jsonb_build_object('from', nr.state, 'to', 'NONE', 'node_id', nr.node_id,
           'role_id', nr.role_id, 'deployment_id', nr.deployment_id, 'reason', p_reason))::engine_event ORDER BY nr.cohort DESC, nr.id), '{}')
    INTO v_events FROM node_roles nr WHERE nr.id = ANY(p_ids);
  DELETE FROM node_roles WHERE id = ANY(p_ids);
  RETURN v_events;
END $$;

-- The noderoles that go with these: everything below them by hard edges. Barriers are left, not taken along.
CREATE OR REPLACE FUNCTION noderoles_below(p_ids int[]) RETURNS int[] LANGUAGE sql STABLE AS $$
  WITH RECURSIVE below AS (
    SELECT unnest(p_ids) AS id
    UNION
    SELECT c.id FROM below b JOIN node_role_edges e ON e.parent_id = b.id JOIN node_roles c ON c.id = e.child_id AND NOT c.barrier
  )
  SELECT array_agg(id ORDER BY id) FROM below
$$;

-- The sweep's share of unbinding: what waited for its run to be stopped. All of one unbinding go together or, where a run
-- still stops, later: a parent never before its children. Returns how many were removed.
CREATE OR REPLACE FUNCTION finish_removals() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_ids int[];
  v_events engine_event[];
BEGIN
  SELECT array_agg(s.id) INTO v_ids FROM (
    SELECT nr.id FROM node_roles nr
     WHERE nr.removing AND NOT EXISTS (
       SELECT 1 FROM unnest(noderoles_below(ARRAY[nr.id])) AS b(id) JOIN node_roles o ON o.id = b.id
        WHERE NOT o.removing OR EXISTS (SELECT 1 FROM runs r WHERE r.node_role_id = o.id AND r.status <> 'ENDED'))
     ORDER BY nr.id LIMIT 500) s;
  IF v_ids IS NULL THEN RETURN 0; END IF;
  PERFORM 1 FROM nodes WHERE id IN (SELECT nr.node_id FROM node_roles nr WHERE nr.id = ANY(v_ids)) ORDER BY id FOR NO KEY UPDATE;
  PERFORM 1 FROM node_roles WHERE id = ANY(v_ids) ORDER BY id FOR UPDATE;
  SELECT array_agg(nr.id) INTO v_ids FROM node_roles nr WHERE nr.id = ANY(v_ids) AND nr.removing;
  IF v_ids IS NULL THEN RETURN 0; END IF;
  v_events := remove_noderoles(v_ids, 'unbound');
  PERFORM emit_events(v_events);
  RETURN cardinality(v_ids);
END $$;

-- Noderoles elsewhere that depend on this node and are not PROPOSED: what forbids that it goes, or is reproposed first.
CREATE OR REPLACE FUNCTION node_dependants(p_node int) RETURNS int[] LANGUAGE sql STABLE AS $$
  SELECT coalesce(array_agg(DISTINCT c.id), '{}') FROM node_roles p JOIN node_role_edges e ON e.parent_id = p.id JOIN node_roles c ON c.id = e.child_id
   WHERE p.node_id = p_node AND c.node_id <> p_node AND NOT c.barrier AND c.state::text <> 'PROPOSED'
$$;

-- Who must agree before a node goes. A subsystem that does not concern it has no row.
CREATE OR REPLACE FUNCTION ask_finalizers(p_node int) RETURNS void LANGUAGE sql AS $$
  INSERT INTO node_finalizers (node_id, subsystem)
  SELECT p_node, s FROM unnest(ARRAY['runs', 'dependants', 'dhcp', 'boot-files']) AS s
  UNION ALL SELECT p_node, 'bmc' FROM bmcs WHERE node_id = p_node
  UNION ALL SELECT p_node, 'dns' FROM reservations WHERE node_id = p_node AND NOT unmanaged
  ON CONFLICT DO NOTHING
$$;

-- Which DHCP servers a node's withdrawal waits for: those in scope of its boot network that hold a lease. One whose lease
-- is over hands out nothing any more, and cannot hold a deletion (engine-rules 6).
CREATE OR REPLACE FUNCTION dhcp_unconfirmed(p_node int) RETURNS TABLE (host text, served bigint, wanted bigint) LANGUAGE sql STABLE AS $$
  SELECT s.host, s.served_revision, w.revision
    FROM (SELECT max(e.revision) AS revision FROM dhcp_entries e WHERE e.node_id = p_node) w
    JOIN boot_servers s ON s.kind = 'dhcp' AND s.status IN ('serving', 'draining') AND s.lease_until > clock_timestamp() AND s.served_revision < w.revision
   WHERE cardinality(s.networks) = 0
      OR NOT EXISTS (SELECT 1 FROM reservations r WHERE r.node_id = p_node)
      OR s.networks && ARRAY(SELECT r.network_id FROM reservations r WHERE r.node_id = p_node)
$$;

-- Which DNS servers still answer for its names. Marking it raised the revision of names in its own transaction, so the one that
-- is read after it is late enough; it is kept, or a table that goes on changing would never be reached.
CREATE OR REPLACE FUNCTION dns_unconfirmed(p_revision bigint) RETURNS TABLE (host text, served bigint, wanted bigint) LANGUAGE sql STABLE AS $$
  SELECT s.host, s.served_revision, p_revision FROM boot_servers s
   WHERE s.kind = 'dns' AND s.status IN ('serving', 'draining') AND s.lease_until > clock_timestamp() AND s.served_revision < p_revision
$$;

-- Writes down what has been confirmed since; answers the nodes that nothing holds any more. Confirmed once is confirmed,
-- except for dependants and runs: those are looked at again in the transaction that removes the node.
CREATE OR REPLACE FUNCTION confirm_finalizers() RETURNS SETOF int LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ask_finalizers(n.id) FROM nodes n WHERE n.deleting AND NOT EXISTS (SELECT 1 FROM node_finalizers f WHERE f.node_id = n.id);
  -- What the agent of a step that could not be broken off needed until its end.
  UPDATE node_tokens t SET revoked_at = clock_timestamp() FROM nodes n
   WHERE n.deleting AND t.node_id = n.id AND t.revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.node_id = n.id AND r.ended_at IS NULL AND r.unabortable IS NOT NULL AND r.status <> 'STOPPING');
  UPDATE node_finalizers f SET revision = (SELECT t.revision FROM dns_table t WHERE t.id = 1) WHERE f.subsystem = 'dns' AND f.revision IS NULL AND f.confirmed_at IS NULL
     AND EXISTS (SELECT 1 FROM nodes n WHERE n.id = f.node_id AND n.deleting);
  UPDATE node_finalizers f SET confirmed_at = clock_timestamp(),
         revision = CASE f.subsystem WHEN 'dhcp' THEN (SELECT max(e.revision) FROM dhcp_entries e WHERE e.node_id = f.node_id) WHEN 'dns' THEN f.revision END
   WHERE f.confirmed_at IS NULL AND f.forced_by IS NULL AND EXISTS (SELECT 1 FROM nodes n WHERE n.id = f.node_id AND n.deleting) AND CASE f.subsystem
     WHEN 'runs' THEN NOT EXISTS (SELECT 1 FROM runs r WHERE r.node_id = f.node_id AND r.status <> 'ENDED')
     WHEN 'dependants' THEN node_dependants(f.node_id) = '{}'
     WHEN 'dhcp' THEN NOT EXISTS (SELECT 1 FROM dhcp_entries e WHERE e.node_id = f.node_id AND NOT e.deleted) AND NOT EXISTS (SELECT 1 FROM dhcp_unconfirmed(f.node_id))
     WHEN 'dns' THEN NOT EXISTS (SELECT 1 FROM dns_unconfirmed(f.revision))
     -- Files are decided at each request: nobody gets any once the row says so and no token opens the door.
     WHEN 'boot-files' THEN NOT EXISTS (SELECT 1 FROM node_tokens t WHERE t.node_id = f.node_id AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp())
     -- The key under which src/power/exclusive.ts holds a BMC.
     WHEN 'bmc' THEN pg_try_advisory_xact_lock(1885498723, f.node_id) AND NOT EXISTS (SELECT 1 FROM power_orders o WHERE o.node_id = f.node_id AND o.done_at IS NULL)
     ELSE false END;
  RETURN QUERY SELECT n.id FROM nodes n
    WHERE n.deleting AND NOT EXISTS (SELECT 1 FROM node_finalizers f WHERE f.node_id = n.id AND f.confirmed_at IS NULL AND f.forced_by IS NULL)
    ORDER BY n.id LIMIT 100;
END $$;
