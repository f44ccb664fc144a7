-- What machines that ask for their boot scripts are: node, latest install, and the network on which the asking address is theirs
-- by lease or reservation; one row for each question, in their order (src/bootenvs/boot-query.ts). `elsewhere`: the address is
-- nobody's here, and there are networks where another server gives addresses. `home`: where the MAC has its own address, when the
-- asking one is a lease on another network; that counts as no network, for anyone may clone a MAC there (attack 13). Every look is
-- by an index: nics.mac, installs (node_id, id), leases.address, reservations.address and node_id.
DROP FUNCTION IF EXISTS boot_subjects(text[], text[]);
CREATE FUNCTION boot_subjects(p_macs text[], p_addresses text[]) RETURNS TABLE (
  node_id int, name text, bootenv text, deleting boolean, arch text, uuid text, serial text,
  install_id int, install_bootenv text, install_status text, fetches int, spec jsonb,
  network_id int, domain text, dns text[], router text, elsewhere boolean, home text
) LANGUAGE plpgsql STABLE ROWS 100
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
  RETURN QUERY
  SELECT n.id, n.name, n.bootenv, n.deleting, n.arch, n.uuid, n.serial,
         i.id, i.bootenv, i.status::text, i.fetches, i.spec,
         w.id, w.domain, w.dns, w.router,
         held.network_id IS NULL AND EXISTS (SELECT 1 FROM networks other WHERE other.dhcp_mode IN ('proxy', 'off')), held.home
    FROM unnest(p_macs, p_addresses) WITH ORDINALITY AS asked(mac, address, position)
    LEFT JOIN nics c ON c.mac = asked.mac
    LEFT JOIN nodes n ON n.id = c.node_id
    LEFT JOIN LATERAL (SELECT * FROM installs x WHERE x.node_id = n.id ORDER BY x.id DESC LIMIT 1) i ON true
    LEFT JOIN LATERAL (
      SELECT l.network_id,
             (SELECT string_agg(h.name, ', ' ORDER BY h.name) FROM reservations r JOIN networks h ON h.id = r.network_id
               WHERE r.node_id = n.id AND r.mac = asked.mac HAVING bool_and(r.network_id <> l.network_id)) AS home
        FROM leases l WHERE l.address = asked.address AND l.mac = asked.mac AND l.state = 'active' AND l.expires_at > clock_timestamp()
      UNION ALL SELECT r.network_id, NULL FROM reservations r WHERE r.address = asked.address AND r.mac = asked.mac LIMIT 1
    ) held ON true
    LEFT JOIN networks w ON w.id = held.network_id AND held.home IS NULL
   ORDER BY asked.position;
END $$;
