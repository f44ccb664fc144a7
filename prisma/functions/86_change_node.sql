-- What an operator changes of a node, in one call: what is null stays, what is so already changes nothing and makes no event.
-- What DHCP shows of it is in the DHCP table with the same commit. `p_actor`: who is written into the audit; null: nobody.
-- No row when there is no such node; nothing is changed while it is being deleted. Callers that move the node hold both
-- deployments, and those that change its hint have checked it.
CREATE OR REPLACE FUNCTION change_node(p_node int, p_available boolean, p_description text, p_hint jsonb, p_options jsonb, p_deployment int, p_actor text)
RETURNS TABLE (changed text[], is_deleting boolean) LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_node nodes;
  v_version int;
BEGIN
  SELECT * INTO v_node FROM nodes n WHERE n.id = p_node FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  is_deleting := v_node.deleting;
  changed := array_remove(ARRAY[
    CASE WHEN p_available <> v_node.available THEN 'available' END,
    CASE WHEN p_description <> v_node.description THEN 'description' END,
    CASE WHEN p_hint <> v_node.hint THEN 'hint' END,
    CASE WHEN p_options <> v_node.dhcp_options THEN 'dhcp_options' END,
    CASE WHEN p_deployment <> v_node.deployment_id THEN 'deployment' END], NULL);
  IF NOT is_deleting AND cardinality(changed) > 0 THEN
    UPDATE nodes n SET available = coalesce(p_available, n.available), description = coalesce(p_description, n.description), hint = coalesce(p_hint, n.hint),
           dhcp_options = coalesce(p_options, n.dhcp_options), deployment_id = coalesce(p_deployment, n.deployment_id), version = n.version + 1
     WHERE n.id = p_node RETURNING n.version INTO v_version;
    IF p_actor IS NOT NULL THEN
      INSERT INTO audit (actor, action, target, detail) VALUES (p_actor, 'node.change', 'node/' || p_node, jsonb_build_object('changed', to_jsonb(changed)));
    END IF;
    IF 'dhcp_options' = ANY (changed) THEN PERFORM rewrite_dhcp_entries(ARRAY[p_node]); END IF;
    PERFORM emit_events(ARRAY[('node-changed', 'node', p_node, v_version, jsonb_build_object('changed', to_jsonb(changed)))::engine_event]);
  END IF;
  RETURN NEXT;
END $$;

-- What a node shall boot from now on, and why: raises the desired generation, tells so and is in the DHCP table with the same
-- commit; unless it is that already. Returns the generation; null when there is no such node.
CREATE OR REPLACE FUNCTION set_desired_bootenv(p_node int, p_bootenv text, p_reason text) RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_bootenv text;
  v_generation int;
  v_version int;
BEGIN
  SELECT n.bootenv, n.desired_gen INTO v_bootenv, v_generation FROM nodes n WHERE n.id = p_node FOR NO KEY UPDATE;
  IF NOT FOUND OR v_bootenv = p_bootenv THEN RETURN v_generation; END IF;
  UPDATE nodes n SET bootenv = p_bootenv, boot_reason = p_reason, desired_gen = n.desired_gen + 1, version = n.version + 1
   WHERE n.id = p_node RETURNING n.desired_gen, n.version INTO v_generation, v_version;
  PERFORM rewrite_dhcp_entries(ARRAY[p_node]);
  PERFORM emit_events(ARRAY[('node-changed', 'node', p_node, v_version, '{"changed": ["bootenv"]}')::engine_event]);
  RETURN v_generation;
END $$;
