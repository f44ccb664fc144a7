-- DHCP servers read the reservations that have changed, not all of them: one new machine among 100,000 is one row. Each statement
-- that changes reservations is a revision of the networks, and the addresses that it concerns are kept for the newest thousand of
-- them; what changes networks or ranges, and a load of very many reservations, makes the servers read everything.
CREATE TABLE "reservation_changes" (
  "revision" BIGINT NOT NULL,
  "address" TEXT NOT NULL,
  CONSTRAINT "reservation_changes_pkey" PRIMARY KEY ("revision", "address")
);
ALTER TABLE "dhcp_table" ADD COLUMN "networks_whole_revision" BIGINT NOT NULL DEFAULT 0;
-- What came before was not written down.
UPDATE "dhcp_table" SET "networks_whole_revision" = "networks_revision";

CREATE OR REPLACE FUNCTION dhcp_networks_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE dhcp_table SET networks_revision = networks_revision + 1, networks_whole_revision = networks_revision + 1 WHERE id = 1;
  RETURN NULL;
END $$;

-- src/dhcp/read-table.ts knows how many revisions are kept.
CREATE FUNCTION reservations_changed(p_addresses text[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  v_revision bigint;
  v_is_many boolean := cardinality(p_addresses) > 2000;
BEGIN
  IF cardinality(p_addresses) = 0 THEN RETURN; END IF;
  UPDATE dhcp_table SET networks_revision = networks_revision + 1,
         networks_whole_revision = CASE WHEN v_is_many THEN networks_revision + 1 ELSE networks_whole_revision END
   WHERE id = 1 RETURNING networks_revision INTO v_revision;
  DELETE FROM reservation_changes WHERE revision <= v_revision - 1000;
  IF NOT v_is_many THEN INSERT INTO reservation_changes (revision, address) SELECT v_revision, a FROM unnest(p_addresses) a; END IF;
END $$;

-- A trigger with transition tables is for one kind of statement.
CREATE FUNCTION reservations_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM reservations_changed(ARRAY(SELECT address FROM after_rows));
  RETURN NULL;
END $$;
CREATE FUNCTION reservations_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM reservations_changed(ARRAY(SELECT address FROM before_rows UNION SELECT address FROM after_rows));
  RETURN NULL;
END $$;
CREATE FUNCTION reservations_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM reservations_changed(ARRAY(SELECT address FROM before_rows));
  RETURN NULL;
END $$;

DROP TRIGGER dhcp_networks_changed ON "reservations";
CREATE TRIGGER reservations_inserted AFTER INSERT ON "reservations" REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION reservations_inserted();
CREATE TRIGGER reservations_updated AFTER UPDATE ON "reservations" REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows
  FOR EACH STATEMENT EXECUTE FUNCTION reservations_updated();
CREATE TRIGGER reservations_deleted AFTER DELETE ON "reservations" REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION reservations_deleted();
