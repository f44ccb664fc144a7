-- Appends one chunk of log to each of these runs. p_fences: the run's present fence, or its last within a minute after the
-- end. p_seqs: the chunk's number, NULL for the next; a chunk of a number already there is the same chunk sent again.
-- Answers which runs took theirs.
CREATE OR REPLACE FUNCTION append_logs(p_runs bigint[], p_fences int[], p_seqs int[], p_texts text[]) RETURNS SETOF bigint LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
BEGIN
  RETURN QUERY
  INSERT INTO run_logs (run_id, seq, text)
  SELECT r.id, c.seq, c.text FROM (
    SELECT i.id, i.fence, i.text, coalesce(i.seq, (SELECT max(l.seq) + 1 FROM run_logs l WHERE l.run_id = i.id), 1) AS seq
      FROM unnest(p_runs, p_fences, p_seqs, p_texts) AS i(id, fence, seq, text) WHERE i.text IS NOT NULL OFFSET 0) c JOIN runs r ON r.id = c.id
   WHERE r.fence BETWEEN c.fence AND c.fence + 1 AND (r.ended_at IS NULL OR r.ended_at > clock_timestamp() - interval '60 seconds')
     AND c.seq <= 10000
  ON CONFLICT (run_id, seq) DO NOTHING RETURNING run_logs.run_id;
END $$;
