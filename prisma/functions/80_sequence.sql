-- Gives positions to committed batches (engine-rules 13; src/events/sequencer.ts says why): the lock first, then a fresh
-- statement, whose snapshot holds every position given before. The highest position is also kept in outbox_consumers, so
-- that positions go on rising after retention removed the newest batch. Returns how many batches; uses the partial index
-- outbox_batches_without_position.
CREATE OR REPLACE FUNCTION sequence_outbox(p_lock bigint, p_limit int) RETURNS int LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  v_count int;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM outbox_batches WHERE pos IS NULL) THEN RETURN 0; END IF;
  PERFORM pg_advisory_xact_lock(p_lock);
  WITH base AS (
    SELECT greatest(coalesce((SELECT max(pos) FROM outbox_batches), 0), coalesce((SELECT pos FROM outbox_consumers WHERE name = 'sequencer'), 0)) AS pos
  ), fresh AS (
    SELECT id, row_number() OVER (ORDER BY id) AS rank FROM (SELECT id FROM outbox_batches WHERE pos IS NULL ORDER BY id LIMIT p_limit) open
  ), numbered AS (
    UPDATE outbox_batches b SET pos = base.pos + fresh.rank FROM fresh, base WHERE b.id = fresh.id RETURNING b.pos
  ), kept AS (
    INSERT INTO outbox_consumers (name, pos, updated_at) SELECT 'sequencer', max(pos), clock_timestamp() FROM numbered HAVING count(*) > 0
    ON CONFLICT (name) DO UPDATE SET pos = EXCLUDED.pos, updated_at = EXCLUDED.updated_at
  )
  SELECT count(*) INTO v_count FROM numbered;
  RETURN v_count;
END $$;
