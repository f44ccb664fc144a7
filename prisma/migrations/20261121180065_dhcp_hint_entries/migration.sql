-- The hint of a new revision brings the entries of a small change along, so that DHCP servers answer with it without a query. It is
-- written when the transaction commits: what wrote the entries may have raised the revision first. src/dhcp/table-records.ts reads
-- the text; a notification holds less than 8,000 bytes (PostgreSQL manual, NOTIFY), and what is larger is read from the table.
CREATE OR REPLACE FUNCTION dhcp_table_hint() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  v_records text;
  v_count int;
BEGIN
  IF NEW.revision = OLD.revision + 1 AND NEW.networks_revision = OLD.networks_revision THEN
    SELECT string_agg(concat_ws(E'\x1f', mac, node_id, hostname, bootenv, boot_local, deleted, options), E'\x1e'), count(*) INTO v_records, v_count
      FROM (SELECT * FROM dhcp_entries WHERE revision = NEW.revision LIMIT 9) e;
  END IF;
  PERFORM pg_notify('prybar_dhcp', NEW.revision || CASE WHEN v_count BETWEEN 1 AND 8 AND octet_length(v_records) < 7900 THEN E'\x1d' || v_records ELSE '' END);
  RETURN NULL;
END $$;

DROP TRIGGER dhcp_table_hint ON "dhcp_table";
CREATE CONSTRAINT TRIGGER dhcp_table_hint AFTER UPDATE ON "dhcp_table" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dhcp_table_hint();
