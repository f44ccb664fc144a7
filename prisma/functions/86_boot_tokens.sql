-- Read tokens of boots that begin together, one for each position of the arrays (src/bootenvs/boot-tokens.ts). What was handed
-- to a MAC before ends: a machine that asks for a script has left whatever it booted. Of two for one MAC the later one stands.
-- Rows are taken in order, so that two servers cannot deadlock. Uses the index of node_tokens.mac.
DROP FUNCTION IF EXISTS store_boot_tokens(text[], text[], text[], int[], text[], int[], float8[]);
CREATE FUNCTION store_boot_tokens(p_sha256 text[], p_macs text[], p_addresses text[], p_nodes int[], p_bootenvs text[], p_installs int[], p_seconds float8[])
  RETURNS void LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET jit = off AS $$
DECLARE
  v_now timestamptz;
BEGIN
  PERFORM 1 FROM node_tokens t WHERE t.mac = ANY (p_macs) AND t.kind = 'boot' AND t.revoked_at IS NULL ORDER BY t.id FOR UPDATE;
  v_now := clock_timestamp();
  UPDATE node_tokens t SET revoked_at = v_now WHERE t.mac = ANY (p_macs) AND t.kind = 'boot' AND t.revoked_at IS NULL;
  INSERT INTO node_tokens (sha256, kind, node_id, mac, address, bootenv, install_id, created_at, expires_at, revoked_at)
  SELECT b.sha256, 'boot', b.node_id, b.mac, b.address, b.bootenv, b.install_id, v_now, v_now + make_interval(secs => b.seconds),
         CASE WHEN b.position < max(b.position) OVER (PARTITION BY b.mac) THEN v_now END
    FROM unnest(p_sha256, p_macs, p_addresses, p_nodes, p_bootenvs, p_installs, p_seconds) WITH ORDINALITY
      AS b(sha256, mac, address, node_id, bootenv, install_id, seconds, position)
   ORDER BY b.position;
END $$;
