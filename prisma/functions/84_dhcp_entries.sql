-- Brings the entries of some nodes in the DHCP table to what is true now, as one revision, and returns it; null when nothing
-- changed. src/roles/builtin/dhcp-entries.ts is the same rule as a pure function; a property test holds them against each
-- other. Called by whatever changes what DHCP shows of a node, in its transaction and when every other lock is held: the
-- table's row is what everybody who changes the table waits for until the commit. The nodes' locks, a key share at least, are
-- among those: an entry refers to its node.
CREATE OR REPLACE FUNCTION rewrite_dhcp_entries(p_nodes int[]) RETURNS bigint LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_revision bigint;
  v_changed bigint;
BEGIN
  SELECT t.revision + 1 INTO STRICT v_revision FROM dhcp_table t WHERE t.id = 1 FOR UPDATE;
  -- A statement of its own, which sees what the holder before us has committed: a later writer never sees less than an earlier one.
  WITH wanted AS MATERIALIZED (
    -- The first label: the domain is the network's (RFC 2132 sections 3.14 and 3.17).
    SELECT c.mac, n.id AS node_id, split_part(n.name, '.', 1) AS hostname, n.bootenv, n.bootenv = 'local' AS boot_local, n.desired_gen, n.dhcp_options
      FROM nodes n JOIN nics c ON c.node_id = n.id WHERE n.id = ANY (p_nodes) AND NOT n.deleting
  ), stored AS (
    SELECT e.* FROM dhcp_entries e WHERE e.node_id = ANY (p_nodes)
     UNION SELECT e.* FROM wanted w JOIN dhcp_entries e ON e.mac = w.mac
  ), differing AS MATERIALIZED (
    SELECT w.*, s.mac AS stored_mac FROM wanted w FULL JOIN stored s ON s.mac = w.mac
     WHERE CASE WHEN w.mac IS NULL THEN NOT s.deleted
                ELSE (false, w.node_id, w.hostname, w.bootenv, w.boot_local, w.desired_gen, w.dhcp_options)
                     IS DISTINCT FROM (s.deleted, s.node_id, s.hostname, s.bootenv, s.boot_local, s.applied_gen, s.options) END
  ), withdrawn AS (
    UPDATE dhcp_entries e SET deleted = true, revision = v_revision FROM differing d WHERE d.mac IS NULL AND e.mac = d.stored_mac
  ), written AS (
    INSERT INTO dhcp_entries (mac, node_id, hostname, bootenv, boot_local, applied_gen, options, revision, deleted)
    SELECT d.mac, d.node_id, d.hostname, d.bootenv, d.boot_local, d.desired_gen, d.dhcp_options, v_revision, false
      FROM differing d WHERE d.mac IS NOT NULL ORDER BY d.mac
    ON CONFLICT (mac) DO UPDATE SET node_id = EXCLUDED.node_id, hostname = EXCLUDED.hostname, bootenv = EXCLUDED.bootenv,
      boot_local = EXCLUDED.boot_local, applied_gen = EXCLUDED.applied_gen, options = EXCLUDED.options, revision = EXCLUDED.revision, deleted = false
  )
  SELECT count(*) INTO v_changed FROM differing;
  IF v_changed = 0 THEN RETURN NULL; END IF;
  UPDATE dhcp_table SET revision = v_revision WHERE id = 1;
  RETURN v_revision;
END $$;
