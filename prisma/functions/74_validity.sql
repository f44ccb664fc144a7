-- What a boot or an installation ends (engine-rules 16).

-- The node reported alive in a boot it had not reported before; the caller holds the node's row and has raised its epoch.
-- Noderoles whose validity is the boot are wanted again, those that are ACTIVE are poked. Kept:
--   * what runs in another environment than this boot: it is judged by the next boot of that environment;
--   * what stands above a completed installation: it was true of the machine when it was installed, and would now act on
--     the installed system;
--   * a run that waits for this very boot: its success is of the boot it ends in.
CREATE OR REPLACE FUNCTION end_boot_validity(p_node int, p_class boot_class) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_ended int[];
  v_active int[];
BEGIN
  WITH RECURSIVE above AS (
    SELECT e.parent_id AS id FROM node_roles i JOIN roles ro ON ro.id = i.role_id AND 'destructive' = ANY(ro.flags) JOIN node_role_edges e ON e.child_id = i.id
     WHERE i.node_id = p_node AND EXISTS (SELECT 1 FROM installs s WHERE s.node_role_id = i.id AND s.status = 'completed')
    UNION SELECT e.parent_id FROM above a JOIN node_role_edges e ON e.child_id = a.id
  )
  SELECT array_agg(nr.id ORDER BY nr.id) INTO v_ended FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id
   WHERE nr.node_id = p_node AND nr.committed AND nr.state <> 'PROPOSED' AND ro.validity = 'boot'
     AND (ro.runs_in = 'any' OR ro.runs_in = p_class::text) AND NOT EXISTS (SELECT 1 FROM above a WHERE a.id = nr.id);
  IF v_ended IS NULL THEN RETURN; END IF;
  PERFORM lock_with_children(v_ended);
  WITH wanted AS (
    UPDATE node_roles nr SET want_gen = nr.want_gen + 1, version = nr.version + 1, reruns = 0, outside_at = clock_timestamp()
     WHERE nr.id = ANY(v_ended) AND nr.state <> 'PROPOSED'
       AND NOT EXISTS (SELECT 1 FROM waits w WHERE w.run_id = nr.current_run_id AND w.survives_reboot)
    RETURNING nr.id, nr.state
  )
  SELECT array_agg(w.id ORDER BY w.id) FILTER (WHERE w.state = 'ACTIVE') INTO v_active FROM wanted w;
  IF v_active IS NOT NULL THEN PERFORM emit_events(poke_active(v_active, 'a new boot ended its validity')); END IF;
END $$;

-- Installations that succeeded just now: what stood on the system before is gone with the disk, so everything below them
-- on the same node is wanted again, whatever its inputs. Takes the locks it needs. Returns the events and the nodes.
CREATE OR REPLACE FUNCTION end_install_validity(p_installed int[], OUT events engine_event[], OUT nodes int[]) LANGUAGE plpgsql AS $$
DECLARE
  v_below int[];
  v_active int[];
BEGIN
  events := '{}';
  nodes := '{}';
  WITH RECURSIVE below AS (
    SELECT c.id, c.node_id FROM node_roles i JOIN node_role_edges e ON e.parent_id = i.id JOIN node_roles c ON c.id = e.child_id AND c.node_id = i.node_id WHERE i.id = ANY(p_installed)
    UNION SELECT c.id, c.node_id FROM below b JOIN node_role_edges e ON e.parent_id = b.id JOIN node_roles c ON c.id = e.child_id AND c.node_id = b.node_id
  )
  SELECT array_agg(b.id ORDER BY b.id) INTO v_below FROM below b JOIN node_roles nr ON nr.id = b.id JOIN roles ro ON ro.id = nr.role_id
   WHERE ro.validity <> 'always' AND nr.last_ok_hash IS NOT NULL;
  IF v_below IS NULL THEN RETURN; END IF;
  PERFORM lock_with_children(v_below);
  WITH wanted AS (
    UPDATE node_roles nr SET want_gen = nr.want_gen + 1, last_ok_hash = NULL, version = nr.version + 1, reruns = 0, outside_at = clock_timestamp()
     WHERE nr.id = ANY(v_below) AND nr.state <> 'PROPOSED'
    RETURNING nr.id, nr.state, nr.node_id
  )
  SELECT array_agg(w.id ORDER BY w.id) FILTER (WHERE w.state = 'ACTIVE'), coalesce(array_agg(DISTINCT w.node_id), '{}') INTO v_active, nodes FROM wanted w;
  IF v_active IS NOT NULL THEN events := poke_active(v_active, 'the system was installed anew'); END IF;
END $$;
