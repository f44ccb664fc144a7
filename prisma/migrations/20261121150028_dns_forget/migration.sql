-- Changes of names are forgotten by who makes them, now and then, so that the table stays small where no DNS server runs. A
-- server that was away for more than 10,000 revisions reads everything anew.
CREATE OR REPLACE FUNCTION "dns_raise"() RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE v_revision BIGINT;
BEGIN
  IF current_setting('prybar.dns_transaction', true) = pg_current_xact_id()::text THEN
    RETURN current_setting('prybar.dns_revision')::bigint;
  END IF;
  UPDATE dns_table SET revision = revision + 1 WHERE id = 1 RETURNING revision INTO v_revision;
  PERFORM set_config('prybar.dns_transaction', pg_current_xact_id()::text, true), set_config('prybar.dns_revision', v_revision::text, true);
  IF v_revision % 1000 = 0 THEN DELETE FROM dns_changes WHERE revision < v_revision - 10000; END IF;
  RETURN v_revision;
END $$;
