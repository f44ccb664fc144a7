-- Revisions of a deployment: what a commit changes, written before it is committed, in its transaction.

-- Locks what a commit of these noderoles reads and writes, in the order of every writer, in one statement: noderoles of the
-- deployment and those taken along, with their children.
CREATE OR REPLACE FUNCTION lock_for_commit(p_deployment int, p_along int[]) RETURNS void LANGUAGE plpgsql
  SET plan_cache_mode = force_custom_plan SET jit = off AS $$
BEGIN
  PERFORM 1 FROM deployment_roles WHERE deployment_id = p_deployment ORDER BY id FOR NO KEY UPDATE;
  PERFORM lock_with_children(ARRAY(SELECT nr.id FROM node_roles nr WHERE nr.deployment_id = p_deployment) || p_along);
END $$;

-- Writes the revision that the commit is about to make. p_only: the noderoles that are taken along by the commit of another
-- deployment; NULL: all that is proposed. The caller holds the locks. Returns the revision's number.
CREATE OR REPLACE FUNCTION record_revision(p_deployment int, p_only int[], p_author text, p_comment text) RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
  v_revision int;
BEGIN
  SELECT d.revision + 1 INTO v_revision FROM deployments d WHERE d.id = p_deployment;
  INSERT INTO deployment_revisions (deployment_id, revision, author, comment) VALUES (p_deployment, v_revision, p_author, p_comment);
  INSERT INTO deployment_changes (deployment_id, revision, node_role_id, role_id, node_id, role, node, change, before, after)
  SELECT p_deployment, v_revision, nr.id, nr.role_id, nr.node_id, ro.name, n.name,
         CASE WHEN nr.state <> 'PROPOSED' THEN 'data' WHEN nr.committed THEN 'again' ELSE 'bound' END,
         CASE WHEN nr.committed THEN nr.committed_data END, coalesce(nr.proposed_data, nr.committed_data)
    FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id JOIN nodes n ON n.id = nr.node_id
   WHERE nr.deployment_id = p_deployment AND (p_only IS NULL OR nr.id = ANY(p_only))
     AND (nr.state::text = 'PROPOSED' OR nr.proposed_data <> nr.committed_data)
   ORDER BY nr.cohort, nr.id;
  IF p_only IS NOT NULL THEN RETURN v_revision; END IF;
  INSERT INTO deployment_changes (deployment_id, revision, role_id, role, change, before, after)
  SELECT p_deployment, v_revision, dr.role_id, ro.name, 'data', dr.committed_data, dr.proposed_data
    FROM deployment_roles dr JOIN roles ro ON ro.id = dr.role_id
   WHERE dr.deployment_id = p_deployment AND dr.proposed_data <> dr.committed_data ORDER BY ro.name;
  -- What earlier revisions bound and is here no more: unbound, deleted with its node, or moved away. The sum keeps the planner
  -- from walking all of the deployment's noderoles for each of them, which it takes for few in a deployment that is new.
  INSERT INTO deployment_changes (deployment_id, revision, node_role_id, role_id, node_id, role, node, change, before, after)
  SELECT p_deployment, v_revision, last.node_role_id, last.role_id, last.node_id, last.role, last.node, 'unbound', last.after, NULL
    FROM (SELECT DISTINCT ON (c.node_role_id) c.* FROM deployment_changes c
           WHERE c.deployment_id = p_deployment AND c.node_role_id IS NOT NULL ORDER BY c.node_role_id, c.revision DESC) last
   WHERE last.change <> 'unbound' AND NOT EXISTS (SELECT 1 FROM node_roles nr WHERE nr.id = last.node_role_id AND nr.deployment_id + 0 = p_deployment)
   ORDER BY last.role, last.node;
  RETURN v_revision;
END $$;

-- Every container that revisions tell of, as it was at p_revision: what the last change until then left, else what the first
-- change after it found. A container without a row was never changed by a commit: it is what it is now.
CREATE OR REPLACE FUNCTION deployment_at(p_deployment int, p_revision int)
RETURNS TABLE (node_role_id int, role_id int, node_id int, role text, node text, bound boolean, data jsonb) LANGUAGE sql STABLE AS $$
  SELECT DISTINCT ON (c.node_role_id, CASE WHEN c.node_role_id IS NULL THEN c.role_id END)
         c.node_role_id, c.role_id, c.node_id, c.role, c.node,
         CASE WHEN c.revision <= p_revision THEN c.change <> 'unbound' ELSE c.change <> 'bound' END,
         coalesce(CASE WHEN c.revision <= p_revision THEN c.after ELSE c.before END, '{}')
    FROM deployment_changes c WHERE c.deployment_id = p_deployment
   ORDER BY c.node_role_id, CASE WHEN c.node_role_id IS NULL THEN c.role_id END,
            c.revision <= p_revision DESC, CASE WHEN c.revision <= p_revision THEN -c.revision ELSE c.revision END, c.id
$$;

-- Commits noderoles of other deployments whose children the commit of p_by_deployment would leave waiting (engine-rules 24), and
-- nothing else of theirs. Each of those deployments gets a revision that says so. The caller holds the locks.
CREATE OR REPLACE FUNCTION commit_along(p_noderoles int[], p_author text, p_comment text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_events engine_event[] := '{}';
  v_more engine_event[];
  v_committed int;
  v_deployment int;
  v_revision int;
BEGIN
  FOR v_deployment IN SELECT DISTINCT nr.deployment_id FROM node_roles nr WHERE nr.id = ANY(p_noderoles) ORDER BY 1 LOOP
    v_revision := record_revision(v_deployment, p_noderoles, p_author, p_comment);
    UPDATE deployments SET committed_at = coalesce(committed_at, clock_timestamp()), revision = v_revision WHERE id = v_deployment;
    v_events := v_events || ('deployment-committed', 'deployment', v_deployment, v_revision, jsonb_build_object('revision', v_revision))::engine_event;
  END LOOP;
  UPDATE node_roles nr SET committed_data = nr.proposed_data, proposed_data = NULL, want_gen = nr.want_gen + 1, version = nr.version + 1,
         data_revisions = revised(nr.data_revisions, nr.committed_data, nr.proposed_data, d.revision)
    FROM deployments d WHERE d.id = nr.deployment_id AND nr.id = ANY(p_noderoles) AND nr.proposed_data IS NOT NULL;
  SELECT c.events, c.committed INTO v_more, v_committed FROM commit_noderoles(p_noderoles) c;
  PERFORM emit_events(v_more || v_events);
  RETURN v_committed;
END $$;
