-- Addresses of nodes (engine.md 1.6), for many nodes at once; src/networks/plan.ts is the same rule as a pure function, and a
-- property test holds them against each other.

-- The free addresses of a block of addresses, the lowest first. Numbers, because text sorts wrong and inet has no series.
CREATE OR REPLACE FUNCTION free_addresses(p_network int, p_first text, p_last text, p_limit bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
  SELECT a FROM generate_series(p_first::inet - '0.0.0.0'::inet, p_last::inet - '0.0.0.0'::inet) a
  EXCEPT
  SELECT t.address::inet - '0.0.0.0'::inet FROM (
    SELECT r.address FROM reservations r WHERE r.network_id = p_network
    UNION ALL SELECT l.address FROM leases l WHERE l.network_id = p_network AND l.state IN ('active', 'declined') AND l.expires_at > clock_timestamp()
    UNION ALL SELECT n.address FROM network_routers n WHERE n.network_id = p_network) t
  ORDER BY 1 LIMIT p_limit
$$;

-- Gives each node an address on each network that configures its hosts, has a range `host` and whose deployment has the node;
-- one that has an address there keeps it. Order: the node's hint, the host part it has on the admin network of the group, the
-- first gap. Answers what was made; a row without an address says that the range was full. Raises the DHCP table's revision.
-- The MAC is that of the NIC which the network's conduit names, on an admin network else of the NIC it booted from.
CREATE OR REPLACE FUNCTION allocate_nodes(p_nodes int[]) RETURNS TABLE (id int, network_id int, address text, mac text, node_id int) LANGUAGE plpgsql AS $$
DECLARE
  v_net record;
  v_made int := 0;
  v_count int;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM networks n JOIN network_ranges g ON g.network_id = n.id AND g.name = 'host' WHERE n.configure AND n.category <> 'bmc') THEN RETURN; END IF;
  PERFORM 1 FROM dhcp_table t WHERE t.id = 1 FOR UPDATE;
  CREATE TEMP TABLE IF NOT EXISTS pg_temp.to_allocate (node_id int, mac text, wish bigint, address bigint) ON COMMIT DROP;
  FOR v_net IN
    SELECT n.id, n.name, n.category, n.group_name, n.subnet, n.conduit, n.deployment_id, g.first_address, g.last_address,
           g.first_address::inet - '0.0.0.0'::inet AS first, g.last_address::inet - '0.0.0.0'::inet AS last
      FROM networks n JOIN network_ranges g ON g.network_id = n.id AND g.name = 'host' WHERE n.configure AND n.category <> 'bmc' ORDER BY n.category <> 'admin', n.id
  LOOP
    DELETE FROM pg_temp.to_allocate;
    INSERT INTO pg_temp.to_allocate (node_id, mac, wish)
    SELECT o.id,
           (SELECT c.mac FROM nics c WHERE c.node_id = o.id AND (c.name = v_net.conduit OR v_net.category = 'admin')
             ORDER BY (c.name = v_net.conduit) DESC NULLS LAST, c.boot DESC, c.id LIMIT 1),
           coalesce(
             (SELECT h.text::inet - '0.0.0.0'::inet FROM (SELECT o.hint -> 'addresses' ->> v_net.name AS text) h
               WHERE h.text ~ '^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$' AND h.text::inet << v_net.subnet::inet),
             (SELECT network(v_net.subnet::inet) - '0.0.0.0'::inet + (r.address::inet - network(a.subnet::inet)) FROM reservations r JOIN networks a ON a.id = r.network_id
               WHERE r.node_id = o.id AND a.category = 'admin' AND a.group_name = v_net.group_name AND a.id <> v_net.id ORDER BY a.id, r.id LIMIT 1))
      FROM nodes o
     WHERE o.id = ANY(p_nodes) AND o.kind = 'machine' AND NOT o.deleting
       AND NOT EXISTS (SELECT 1 FROM reservations r WHERE r.network_id = v_net.id AND r.node_id = o.id)
       AND (v_net.deployment_id IS NULL OR v_net.deployment_id IN (
             WITH RECURSIVE up AS (SELECT d.id, d.parent_id FROM deployments d WHERE d.id = o.deployment_id UNION SELECT d.id, d.parent_id FROM deployments d JOIN up ON d.id = up.parent_id)
             SELECT up.id FROM up));
    -- A reservation that the operator made for the MAC beforehand is the node's.
    UPDATE reservations r SET node_id = t.node_id FROM pg_temp.to_allocate t WHERE r.network_id = v_net.id AND r.mac = t.mac AND r.node_id IS NULL;
    DELETE FROM pg_temp.to_allocate t WHERE EXISTS (SELECT 1 FROM reservations r WHERE r.network_id = v_net.id AND r.mac = t.mac);
    UPDATE pg_temp.to_allocate t SET address = t.wish
     WHERE t.wish BETWEEN v_net.first AND v_net.last AND t.node_id = (SELECT min(o.node_id) FROM pg_temp.to_allocate o WHERE o.wish = t.wish)
       AND t.wish IN (SELECT free_addresses(v_net.id, v_net.first_address, v_net.last_address, NULL));
    UPDATE pg_temp.to_allocate t SET address = f.address
      FROM (SELECT n.node_id, row_number() OVER (ORDER BY n.node_id) AS place FROM pg_temp.to_allocate n WHERE n.address IS NULL) w
      JOIN (SELECT a AS address, row_number() OVER (ORDER BY a) AS place
              FROM free_addresses(v_net.id, v_net.first_address, v_net.last_address, (SELECT count(*) FROM pg_temp.to_allocate)) a
             WHERE a NOT IN (SELECT o.address FROM pg_temp.to_allocate o WHERE o.address IS NOT NULL)) f ON f.place = w.place
     WHERE t.node_id = w.node_id;
    RETURN QUERY INSERT INTO reservations AS made (network_id, address, mac, node_id)
      SELECT v_net.id, host('0.0.0.0'::inet + t.address), t.mac, t.node_id FROM pg_temp.to_allocate t WHERE t.address IS NOT NULL ORDER BY t.node_id
      RETURNING made.id, made.network_id, made.address, made.mac, made.node_id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_made := v_made + v_count;
    RETURN QUERY SELECT NULL::int, v_net.id, NULL::text, NULL::text, t.node_id FROM pg_temp.to_allocate t WHERE t.address IS NULL;
  END LOOP;
  IF v_made > 0 THEN UPDATE dhcp_table t SET revision = t.revision + 1 WHERE t.id = 1; END IF;
END $$;
