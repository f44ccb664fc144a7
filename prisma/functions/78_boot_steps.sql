-- A batch of boot steps into the timeline, and the phase of each machine that has a new one; src/nodes/phase.ts. One parse, one
-- round trip. Every row is looked up by a key: how many steps a text holds no planner knows, and one that guesses reads the
-- whole of nics for each batch; hence no sequential scans and no hash joins here, and a plan that is made once.
-- p_steps: [{ mac, at, kind, phase or null, detail: { text, ... } }], in the order they were seen.
-- Answers the nodes whose phase is another now. An older step that arrives late does not turn a phase back; of two at the same
-- instant the later in the batch counts. Rows of node_status are taken in node order, so batches cannot deadlock.
CREATE OR REPLACE FUNCTION record_boot_steps(p_steps json)
  RETURNS TABLE (node_id int, version int, mac text, phase text, detail text) LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH seen AS MATERIALIZED (
    SELECT s.*, (SELECT c.node_id FROM nics c WHERE c.mac = s.mac) AS node_id
      FROM ROWS FROM (json_to_recordset(p_steps) AS (mac text, at timestamptz, kind text, phase text, detail jsonb)) WITH ORDINALITY AS s(mac, at, kind, phase, detail, n)
  ), written AS (
    INSERT INTO boot_events (mac, node_id, at, kind, detail) SELECT mac, node_id, at, kind, detail FROM seen ORDER BY n
  ), told AS (
    SELECT DISTINCT ON (node_id) node_id, mac, phase, detail ->> 'text' AS detail, at,
           (SELECT b.phase FROM node_status b WHERE b.node_id = seen.node_id) AS phase_before
      FROM seen WHERE phase IS NOT NULL AND node_id IS NOT NULL ORDER BY node_id, at DESC, n DESC
  ), kept AS (
    INSERT INTO node_status AS had (node_id, phase, phase_detail, phase_at)
    SELECT node_id, phase, detail, at FROM told ORDER BY node_id
    ON CONFLICT (node_id) DO UPDATE SET phase = EXCLUDED.phase, phase_detail = EXCLUDED.phase_detail, phase_at = EXCLUDED.phase_at
     WHERE had.phase = 'unseen' OR had.phase_at <= EXCLUDED.phase_at
    RETURNING had.node_id
  )
  SELECT t.node_id, n.version, t.mac, t.phase, t.detail
    FROM told t JOIN kept k ON k.node_id = t.node_id JOIN nodes n ON n.id = t.node_id
   WHERE t.phase_before IS DISTINCT FROM t.phase ORDER BY t.node_id;
END $$;
