-- PROPOSED -> TODO or BLOCKED for the noderoles given; takes their locks and their children's. A barrier one of them joins
-- closes, because its members are others now (engine-rules 24).
CREATE OR REPLACE FUNCTION commit_noderoles(p_noderoles int[], OUT committed int, OUT events engine_event[]) LANGUAGE plpgsql
  SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
  v_blocked int[];
  v_closed int[];
  v_more engine_event[];
BEGIN
  -- Also when the caller has locked what it saw: one bound meanwhile may be committed by somebody else at this moment,
  -- and its children must not be counted twice.
  PERFORM lock_with_children(p_noderoles);
  -- Newly committed noderoles, and the children whose counters they raise, in one statement: CHECK says that TODO has
  -- no more pending parents than its slack at the end of every statement.
  WITH fresh AS (
    SELECT nr.id, nr.committed FROM node_roles nr WHERE nr.id = ANY(p_noderoles) AND nr.state = 'PROPOSED' AND nr.lost_parents = '{}' AND NOT nr.removing
  ), raised AS (
    SELECT e.child_id AS id, count(*)::int AS n FROM node_role_edges e JOIN fresh ON fresh.id = e.parent_id AND NOT fresh.committed GROUP BY e.child_id
  ), subject AS (
    -- One pass and no join of the two: joined, thousands of rows would meet in a nested loop when the planner expects one.
    SELECT s.id, s.is_fresh, s.was_committed, s.n > 0 AS is_raised, nr.state AS was, nr.pending_parents + s.n AS pending,
           CASE WHEN nr.quorum IS NULL THEN 0 ELSE greatest(0, (
             SELECT count(*)::int FROM node_role_edges e JOIN node_roles p ON p.id = e.parent_id
              WHERE e.child_id = nr.id AND (p.committed OR p.id = ANY(p_noderoles))) - nr.quorum) END AS slack
      FROM (SELECT i.id, bool_or(i.fresh) AS is_fresh, bool_or(i.committed) AS was_committed, sum(i.n)::int AS n
              FROM (SELECT fresh.id, true AS fresh, fresh.committed, 0 AS n FROM fresh UNION ALL SELECT raised.id, false, false, raised.n FROM raised) i
             GROUP BY i.id) s JOIN node_roles nr ON nr.id = s.id
  ), moved AS (
    UPDATE node_roles nr SET
           pending_parents = s.pending, slack = s.slack,
           committed = nr.committed OR s.is_fresh,
           state = CASE
             WHEN s.is_fresh OR nr.state IN ('TODO', 'BLOCKED') OR nr.state = 'ACTIVE' AND nr.barrier
             THEN CASE WHEN s.pending <= s.slack THEN 'TODO'::node_role_state ELSE 'BLOCKED' END
             ELSE nr.state END,
           want_gen = CASE WHEN nr.barrier AND s.is_raised THEN nr.want_gen + 1 ELSE nr.want_gen END,
           last_ok_hash = CASE WHEN nr.barrier AND s.is_raised THEN NULL ELSE nr.last_ok_hash END,
           outside_at = CASE WHEN nr.barrier OR s.is_fresh THEN clock_timestamp() ELSE nr.outside_at END,
           version = nr.version + 1, changed_at = clock_timestamp()
      FROM subject s WHERE nr.id = s.id
    RETURNING nr.id, nr.version, nr.state, nr.node_id, nr.role_id, nr.deployment_id, s.was, s.is_fresh, s.was_committed
  )
  SELECT count(*) FILTER (WHERE m.is_fresh)::int,
         coalesce(array_agg(noderole_event(m.id, m.version, m.was, m.state, m.node_id, m.role_id, m.deployment_id, CASE WHEN m.is_fresh THEN 'committed' ELSE 'a parent was committed' END) ORDER BY m.id) FILTER (WHERE m.was <> m.state), '{}'),
         -- Only these can have something ACTIVE below them that an ERROR above has to block.
         array_agg(m.id) FILTER (WHERE m.is_fresh AND m.state = 'BLOCKED' AND (m.was_committed OR EXISTS (
           -- Child by child: joined, a planner without statistics reads the whole table for each of the fresh ones.
           SELECT 1 FROM node_role_edges e WHERE e.parent_id = m.id AND (SELECT c.state FROM node_roles c WHERE c.id = e.child_id) = 'ACTIVE'))),
         array_agg(m.id ORDER BY m.id) FILTER (WHERE m.was = 'ACTIVE')
    INTO committed, events, v_blocked, v_closed FROM moved m;
  IF v_blocked IS NOT NULL THEN PERFORM join_waves(v_blocked); END IF;
  IF v_closed IS NULL THEN RETURN; END IF;
  PERFORM lock_children(v_closed);
  SELECT a.events INTO v_more FROM adjust_children(v_closed, 1) a;
  events := events || v_more;
END $$;

-- Commits a deployment: proposed data becomes committed data, proposed noderoles become TODO or BLOCKED, and the edges of
-- those committed for the first time start to count for their children (engine-rules 24: only committed parents count).
-- The caller has checked that there is something to commit and that no parent outside stays proposed.
-- Lock order: deployment, noderoles with their children, outbox. Returns how many noderoles left PROPOSED.
CREATE OR REPLACE FUNCTION commit_deployment(p_deployment int, OUT committed int, OUT changed int) LANGUAGE plpgsql
  SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
  v_events engine_event[];
  v_more engine_event[];
  v_poked int[];
  v_readers int[];
  v_revision int;
BEGIN
  UPDATE deployments SET committed_at = coalesce(committed_at, clock_timestamp()), revision = revision + 1
   WHERE id = p_deployment RETURNING revision INTO v_revision;

  PERFORM lock_noderoles(ARRAY(
    SELECT nr.id FROM node_roles nr WHERE nr.deployment_id = p_deployment
    UNION SELECT e.child_id FROM node_role_edges e JOIN node_roles nr ON nr.id = e.parent_id WHERE nr.deployment_id = p_deployment
    UNION SELECT l.child_id FROM attrib_links l JOIN node_roles nr ON nr.id = l.parent_id WHERE nr.deployment_id = p_deployment));

  -- Data first. A noderole that was committed before is wanted again when a value it reads is another one now (rule 8):
  -- its own effective data, or an attrib it wants of a noderole whose effective data changed. `data_below` is what lies
  -- below the noderole's own data, before and after.
  WITH pairs AS (
    UPDATE deployment_roles dr SET committed_data = dr.proposed_data, proposed_data = NULL,
           data_revisions = revised(dr.data_revisions, dr.committed_data, dr.proposed_data, v_revision)
      FROM (SELECT o.id, o.committed_data FROM deployment_roles o WHERE o.deployment_id = p_deployment AND o.proposed_data IS NOT NULL) old
     WHERE dr.id = old.id
    RETURNING dr.role_id, old.committed_data AS before, dr.committed_data AS after
  ), below AS MATERIALIZED (
    SELECT ro.id AS role_id, pairs.role_id IS NOT NULL AS is_pair,
           data_below(ro.attribs, ro.template, coalesce(dr.wall, '{}'), coalesce(pairs.before, dr.committed_data, '{}')) AS before,
           data_below(ro.attribs, ro.template, coalesce(dr.wall, '{}'), coalesce(pairs.after, dr.committed_data, '{}')) AS after
      FROM roles ro LEFT JOIN pairs ON pairs.role_id = ro.id LEFT JOIN deployment_roles dr ON dr.deployment_id = p_deployment AND dr.role_id = ro.id
     WHERE pairs.role_id IS NOT NULL OR ro.id IN (SELECT o.role_id FROM node_roles o WHERE o.deployment_id = p_deployment AND o.proposed_data IS NOT NULL)
  ), subject AS (
    SELECT nr.id, nr.state = 'PROPOSED' AS is_proposed, nr.sysdata, nr.wall, nr.committed_data AS before, coalesce(nr.proposed_data, nr.committed_data) AS after,
           b.before AS below_before, b.after AS below_after, nr.proposed_data IS NOT NULL AS has_proposal
      FROM node_roles nr JOIN below b ON b.role_id = nr.role_id
     WHERE nr.deployment_id = p_deployment AND (nr.proposed_data IS NOT NULL OR b.is_pair)
  ), judged AS MATERIALIZED (
    SELECT s.*, s.is_proposed AND s.has_proposal
             OR overlay_json(overlay_json(s.below_before, s.sysdata), s.before) <> overlay_json(overlay_json(s.below_after, s.sysdata), s.after) AS counts
      FROM subject s
  ), touched AS (
    UPDATE node_roles nr SET
           committed_data = j.after, proposed_data = NULL,
           data_revisions = CASE WHEN j.before = j.after THEN nr.data_revisions ELSE revised(nr.data_revisions, j.before, j.after, v_revision) END,
           want_gen = CASE WHEN j.counts THEN nr.want_gen + 1 ELSE nr.want_gen END, version = nr.version + 1,
           reruns = CASE WHEN j.counts THEN 0 ELSE nr.reruns END, outside_at = CASE WHEN j.counts THEN clock_timestamp() ELSE nr.outside_at END
      FROM judged j WHERE nr.id = j.id AND (j.has_proposal OR j.counts)
    RETURNING nr.id, nr.state, j.counts
  ), reader AS (
    SELECT DISTINCT l.child_id AS id FROM judged j JOIN attrib_links l ON l.parent_id = j.id
     WHERE overlay_json(overlay_json(overlay_json(j.below_before, j.wall), j.sysdata), j.before)->l.attrib
           IS DISTINCT FROM overlay_json(overlay_json(overlay_json(j.below_after, j.wall), j.sysdata), j.after)->l.attrib
  )
  SELECT (count(*) FILTER (WHERE t.counts))::int, array_agg(t.id) FILTER (WHERE t.counts AND t.state = 'ACTIVE'), (SELECT array_agg(r.id ORDER BY r.id) FROM reader r)
    INTO changed, v_poked, v_readers FROM touched t;

  SELECT c.events, c.committed INTO v_events, committed
    FROM commit_noderoles((SELECT array_agg(nr.id) FROM node_roles nr WHERE nr.deployment_id = p_deployment AND nr.state = 'PROPOSED')) c;

  IF v_poked IS NOT NULL THEN
    v_more := poke_active(v_poked, 'data committed');
    v_events := v_events || v_more;
  END IF;
  IF v_readers IS NOT NULL THEN
    v_more := want_again(v_readers, 'a wanted attrib was committed');
    v_events := v_events || v_more;
  END IF;
  v_more := rollout_begin(p_deployment, v_revision);
  v_events := v_events || v_more;
  PERFORM emit_events(v_events || ('deployment-committed', 'deployment', p_deployment, v_revision,
    jsonb_build_object('revision', v_revision, 'committed', committed, 'changed', changed))::engine_event);
END $$;

-- ACTIVE noderoles whose inputs moved on: ready again, and their children have one more parent that is not ACTIVE.
-- want_gen was raised by the caller; locks are held by it. A destructive role stays as it is (engine-rules 15).
CREATE OR REPLACE FUNCTION poke_active(p_noderoles int[], p_reason text) RETURNS engine_event[] LANGUAGE plpgsql
  SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
  v_events engine_event[];
  v_more engine_event[];
  v_left int[];
  v_blocked int[];
BEGIN
  WITH moved AS (
    UPDATE node_roles nr SET state = CASE WHEN nr.pending_parents <= nr.slack THEN 'TODO'::node_role_state ELSE 'BLOCKED' END,
           version = nr.version + 1, changed_at = clock_timestamp()
      FROM roles ro WHERE nr.id = ANY(p_noderoles) AND nr.state = 'ACTIVE' AND ro.id = nr.role_id AND NOT ('destructive' = ANY(ro.flags))
    RETURNING nr.id, nr.version, nr.state, nr.node_id, nr.role_id, nr.deployment_id
  )
  SELECT array_agg(m.id), coalesce(array_agg(noderole_event(m.id, m.version, 'ACTIVE', m.state, m.node_id, m.role_id, m.deployment_id, p_reason) ORDER BY m.id), '{}'),
         array_agg(m.id) FILTER (WHERE m.state = 'BLOCKED')
    INTO v_left, v_events, v_blocked FROM moved m;
  IF v_blocked IS NOT NULL THEN PERFORM join_waves(v_blocked); END IF;
  IF v_left IS NOT NULL THEN
    SELECT a.events INTO v_more FROM adjust_children(v_left, 1) a;
    v_events := v_events || v_more;
  END IF;
  RETURN v_events;
END $$;
