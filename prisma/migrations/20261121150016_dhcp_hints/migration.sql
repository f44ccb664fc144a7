-- DHCP servers hear of a new revision when it is committed, whoever wrote it; and they tell a change of one machine's entry from a
-- change of the networks, so that the first does not make them read every reservation again.
ALTER TABLE "dhcp_table" ADD COLUMN "networks_revision" BIGINT NOT NULL DEFAULT 0;

CREATE FUNCTION dhcp_table_hint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('prybar_dhcp', NEW.revision::text);
  RETURN NULL;
END $$;

CREATE FUNCTION dhcp_networks_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE dhcp_table SET networks_revision = networks_revision + 1 WHERE id = 1;
  RETURN NULL;
END $$;

CREATE TRIGGER dhcp_table_hint AFTER UPDATE ON "dhcp_table" FOR EACH ROW EXECUTE FUNCTION dhcp_table_hint();
CREATE TRIGGER dhcp_networks_changed AFTER INSERT OR UPDATE OR DELETE ON "networks" FOR EACH STATEMENT EXECUTE FUNCTION dhcp_networks_changed();
CREATE TRIGGER dhcp_networks_changed AFTER INSERT OR UPDATE OR DELETE ON "network_ranges" FOR EACH STATEMENT EXECUTE FUNCTION dhcp_networks_changed();
CREATE TRIGGER dhcp_networks_changed AFTER INSERT OR UPDATE OR DELETE ON "reservations" FOR EACH STATEMENT EXECUTE FUNCTION dhcp_networks_changed();
