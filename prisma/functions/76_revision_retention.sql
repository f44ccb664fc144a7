-- What commits changed grows for ever otherwise. Revisions that are beyond p_keep of their deployment and older than p_days
-- are forgotten: nobody reads them or goes back to them any more (src/deployments/revisions.ts), and what a later one replaced
-- is deleted. The last change of each container among them stays: revisions that are kept are told from it (deployment_at),
-- and the next commit finds by it what is bound no more. The newest revision is always kept.

-- Marks first, under the lock that commits and rollbacks take, so that nobody goes back to what is half deleted.
CREATE OR REPLACE FUNCTION forget_revisions(p_keep int, p_days int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_count int;
BEGIN
  WITH old AS (
    SELECT d.id, (SELECT max(r.revision) FROM deployment_revisions r
                   WHERE r.deployment_id = d.id AND r.revision <= d.revision - greatest(p_keep, 1) AND r.at < clock_timestamp() - make_interval(days => p_days)) AS upto
      FROM deployments d WHERE d.revision > d.revisions_forgotten_to + greatest(p_keep, 1) ORDER BY d.id FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE deployments d SET revisions_forgotten_to = old.upto FROM old WHERE d.id = old.id AND old.upto > d.revisions_forgotten_to;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;

-- Deletes at most p_batch changes of one deployment that has such. Returns how many; 0 when that deployment is done, NULL when all are.
CREATE OR REPLACE FUNCTION purge_changes(p_batch int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_deployment int;
  v_upto int;
  v_count int;
BEGIN
  SELECT d.id, d.revisions_forgotten_to INTO v_deployment, v_upto FROM deployments d
   WHERE d.revisions_cleaned_to < d.revisions_forgotten_to ORDER BY d.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN NULL; END IF;
  DELETE FROM deployment_changes WHERE id IN (
    SELECT c.id FROM deployment_changes c
     WHERE c.deployment_id = v_deployment AND c.revision <= v_upto
       AND CASE WHEN c.change = 'unbound'
             -- Gone for good; last of its kind, or the next commit would find it gone once more.
             THEN NOT EXISTS (SELECT 1 FROM deployment_changes o WHERE o.deployment_id = v_deployment AND o.node_role_id = c.node_role_id AND o.revision < c.revision)
             ELSE EXISTS (SELECT 1 FROM deployment_changes o WHERE o.deployment_id = v_deployment AND o.node_role_id IS NOT DISTINCT FROM c.node_role_id
                            AND o.role_id = c.role_id AND o.revision > c.revision AND o.revision <= v_upto) END
     ORDER BY c.revision, c.id LIMIT p_batch);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  IF v_count = 0 THEN UPDATE deployments SET revisions_cleaned_to = v_upto WHERE id = v_deployment; END IF;
  RETURN v_count;
END $$;
