-- Zones that an operator made or changed, and records he wrote; what comes from networks and allocations has no rows.
CREATE TABLE "dns_zones" (
  "id" SERIAL PRIMARY KEY,
  "name" TEXT NOT NULL UNIQUE,
  "filter" JSONB,
  "template" TEXT,
  "ttl" INTEGER CHECK ("ttl" BETWEEN 1 AND 604800),
  "nameservers" TEXT[] NOT NULL DEFAULT '{}',
  "contact" TEXT,
  "secondaries" TEXT[] NOT NULL DEFAULT '{}'
);
CREATE TABLE "dns_records" (
  "id" SERIAL PRIMARY KEY,
  "name" TEXT NOT NULL,
  "type" TEXT NOT NULL CHECK ("type" IN ('A', 'AAAA', 'CNAME', 'TXT')),
  "value" TEXT NOT NULL,
  UNIQUE ("name", "type", "value")
);

-- One revision for all zones: the SOA serial. Its row is taken last in a transaction (the triggers are deferred to the commit), so
-- its lock comes after every other and is held for the commit alone; and whoever reads revision N sees all that came before.
CREATE TABLE "dns_table" (
  "id" INTEGER PRIMARY KEY DEFAULT 1 CHECK ("id" = 1),
  "revision" BIGINT NOT NULL DEFAULT 1,
  -- Which noderoles the zones ask about, when some do: the servers compare it (src/dns/follow.ts), so that a bind costs the engine nothing.
  "roles_mark" TEXT NOT NULL DEFAULT ''
);
INSERT INTO "dns_table" ("id") VALUES (1);
-- What changed with each revision; without an allocation: everything is to be read again. Old ones are forgotten by the servers.
CREATE TABLE "dns_changes" ("id" BIGSERIAL PRIMARY KEY, "revision" BIGINT NOT NULL, "allocation_id" INTEGER);
CREATE INDEX "dns_changes_revision_idx" ON "dns_changes" ("revision");

-- Raises the revision once in a transaction and says which it is.
CREATE FUNCTION "dns_raise"() RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE v_revision BIGINT;
BEGIN
  IF current_setting('prybar.dns_transaction', true) = pg_current_xact_id()::text THEN
    RETURN current_setting('prybar.dns_revision')::bigint;
  END IF;
  UPDATE dns_table SET revision = revision + 1 WHERE id = 1 RETURNING revision INTO v_revision;
  PERFORM set_config('prybar.dns_transaction', pg_current_xact_id()::text, true), set_config('prybar.dns_revision', v_revision::text, true);
  RETURN v_revision;
END $$;

CREATE FUNCTION "dns_allocation_changed"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO dns_changes (revision, allocation_id) VALUES (dns_raise(), CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END);
  RETURN NULL;
END $$;
CREATE FUNCTION "dns_node_changed"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM reservations WHERE node_id = NEW.id) THEN
    INSERT INTO dns_changes (revision, allocation_id) SELECT dns_raise(), r.id FROM reservations r WHERE r.node_id = NEW.id;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION "dns_zones_changed"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO dns_changes (revision, allocation_id) VALUES (dns_raise(), NULL);
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER "dns_reservations" AFTER INSERT OR UPDATE OR DELETE ON "reservations"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "dns_allocation_changed"();
CREATE CONSTRAINT TRIGGER "dns_nodes" AFTER UPDATE OF "name", "deleting", "deployment_id" ON "nodes"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (OLD."name" <> NEW."name" OR OLD."deleting" <> NEW."deleting" OR OLD."deployment_id" <> NEW."deployment_id") EXECUTE FUNCTION "dns_node_changed"();
CREATE CONSTRAINT TRIGGER "dns_networks_changed" AFTER UPDATE OF "name", "category", "subnet", "domain", "suffix" ON "networks"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "dns_zones_changed"();
CREATE CONSTRAINT TRIGGER "dns_networks" AFTER INSERT OR DELETE ON "networks"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "dns_zones_changed"();
CREATE CONSTRAINT TRIGGER "dns_zones" AFTER INSERT OR UPDATE OR DELETE ON "dns_zones"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "dns_zones_changed"();
CREATE CONSTRAINT TRIGGER "dns_records" AFTER INSERT OR UPDATE OR DELETE ON "dns_records"
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "dns_zones_changed"();
