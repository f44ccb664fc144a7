-- How the functions of the hot path are planned (their SET clauses). A generic plan for each statement, made once for a
-- connection: planning thousands of ids anew costs more than finding them. By index, whatever the statistics say: they are
-- missing in a fresh database and wrong while a rack is at work (a partial index of what is live was empty when it was last
-- looked at), and a plan that reads a table once for each batch costs nothing with ten nodes and everything with 100,000.
-- No bitmaps: only a plain index scan marks entries of dead rows, and the indexes of what is live are made of those.
-- What is rare and large (a commit of 10,000 noderoles) is planned anew each time instead: a plan made for ten meets
-- 10,000 in a nested loop of two lists.

-- The engine's functions gather their events in arrays of this type and write them last, as one outbox batch
-- (engine-rules 13). CREATE TYPE has no IF NOT EXISTS. `data` is json, as its column is: an event is written once and read
-- whole, and jsonb takes four times as long to make.
DO $$ BEGIN
  CREATE TYPE engine_event AS (kind text, subject_type text, subject_id bigint, version int, data json);
EXCEPTION WHEN duplicate_object THEN
  IF EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = 'engine_event'::regclass AND attname = 'data' AND atttypid = 'jsonb'::regtype) THEN
    ALTER TYPE engine_event ALTER ATTRIBUTE data TYPE json;
  END IF;
END $$;
DO $$ BEGIN
  -- A ring for the queue: what a BullMQ job carries, and the class of worker it is for.
  CREATE TYPE engine_ring AS (run_id bigint, dispatch int, fence int, job_class text);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- The last statement of a writing transaction: one batch, its events in order. Nothing when there are none.
CREATE OR REPLACE FUNCTION emit_events(p_events engine_event[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_batch bigint;
BEGIN
  IF coalesce(cardinality(p_events), 0) = 0 THEN RETURN; END IF;
  INSERT INTO outbox_batches DEFAULT VALUES RETURNING id INTO v_batch;
  INSERT INTO outbox_events (batch_id, kind, subject_type, subject_id, version, cause_depth, data)
  SELECT v_batch, e.kind, e.subject_type, e.subject_id, e.version,
         -- Set by the hook dispatcher for what hooks write, so that loops of hooks end (engine-rules 19).
         coalesce(nullif(current_setting('prybar.cause_depth', true), '')::int, 0), e.data
    FROM unnest(p_events) WITH ORDINALITY AS e(kind, subject_type, subject_id, version, data, n) ORDER BY e.n;
END $$;

-- The one shape of "a noderole changed its state". STABLE, as format is: declared any stricter, the planner could not put the
-- expression in place of the call, which then costs more than the row it is about.
CREATE OR REPLACE FUNCTION noderole_event(p_id int, p_version int, p_from node_role_state, p_to node_role_state, p_node int, p_role int, p_deployment int, p_reason text)
RETURNS engine_event LANGUAGE sql STABLE AS $$
  SELECT ('noderole-changed', 'noderole', p_id, p_version,
    format('{"from":"%s","to":"%s","node_id":%s,"role_id":%s,"deployment_id":%s,"reason":%s}', p_from, p_to, p_node, p_role, p_deployment, coalesce(to_json(p_reason)::text, 'null'))::json)::engine_event
$$;

-- The one shape of "a run ended".
CREATE OR REPLACE FUNCTION run_ended_event(p_id bigint, p_dispatch int, p_noderole int, p_node int, p_outcome run_outcome, p_code text)
RETURNS engine_event LANGUAGE sql STABLE AS $$
  SELECT ('run-ended', 'run', p_id, p_dispatch,
    format('{"noderole_id":%s,"node_id":%s,"outcome":"%s","code":%s}', p_noderole, p_node, p_outcome, coalesce(to_json(p_code)::text, 'null'))::json)::engine_event
$$;
