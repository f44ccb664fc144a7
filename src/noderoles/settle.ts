/** A batch of outcomes -> ended runs, moved noderoles, released children, the next claimed: one call of prisma/functions/50_settle.sql. */
import type { JsonObject } from '../shared/json.js';
import { failureClass } from './failure-class.js';
import type { StepOutcome } from './outcome.js';
import { jsonbArray, jsonList, numberArray, textArray } from '../db/arrays.js';
import type { Queryable } from '../db/client.js';
import type { Ring } from '../queue/jobs.js';
import { toRings, type RingRow } from './claim.js';

/**
 * What is settled about one run: a jig's outcome, or what start decided without running the jig, or `lost`: its executor
 * stopped it for a reason that is not the role's (lease, shutdown), so it counts as no failure.
 */
export type Settlement = {
  runId: number;
  fence: number;
  /** Its jig was told to stop and goes on: the run is decided, and holds its slot until its lease proves it over (engine-rules 1). */
  stillRunning?: boolean;
  /** It was woken by its deadline, and its jig has something to undo: done when this failure is final. */
  undo?: boolean;
  /** The end of its log, at most one chunk: written in the same commit. */
  log?: string | null;
  outcome: StepOutcome | { kind: 'skip' } | { kind: 'supersede' } | { kind: 'lost'; message: string };
};

/** Settles the batch in one transaction; claims up to `claim` of the touched nodes. Returns the rings to make after commit. */
export async function settle(db: Queryable, batch: Settlement[], claim: number): Promise<Ring[]> {
  const { rows } = await db.query<RingRow>({
    name: 'settle',
    text: `SELECT run_id, dispatch, fence, job_class FROM settle($1::bigint[], $2::int[], ${jsonbArray('$3')}, $4, $5::text[])`,
    values: [
      numberArray(batch.map((item) => item.runId)),
      numberArray(batch.map((item) => item.fence)),
      toBodies(batch),
      claim,
      textArray(batch.map((item) => item.log ?? null)),
    ],
  });
  return toRings(rows);
}

/** A success that leaves nothing is sent as nothing: most are, and the database takes each body apart. */
const isPlain = (body: JsonObject): boolean => body.kind === 'succeed' && Object.keys(body).length === 1;

function toBodies(batch: Settlement[]): string | null {
  const bodies = batch.map(toBody);
  return bodies.every(isPlain) ? null : jsonList(bodies.map((body) => (isPlain(body) ? 'null' : JSON.stringify(body))));
}

function toBody(settlement: Settlement): JsonObject {
  const body = bodyOf(settlement);
  if (settlement.stillRunning) body.still_running = true;
  if (settlement.undo) body.undo = true;
  return body;
}

function bodyOf({ runId, outcome }: Settlement): JsonObject {
  switch (outcome.kind) {
    case 'done':
      return {
        kind: 'succeed',
        ...(outcome.wall === undefined ? {} : { wall: outcome.wall }),
        ...(outcome.result === undefined ? {} : { result: outcome.result }),
      };
    case 'skip':
    case 'supersede':
      return { kind: outcome.kind };
    case 'lost':
      return { kind: 'lost', code: 'lease-lost', message: outcome.message };
    case 'fail':
      return toFailure(outcome);
    case 'wait':
      return {
        kind: 'wait',
        key: outcome.key,
        min_generation: outcome.minGeneration,
        deadline_seconds: outcome.deadlineSeconds,
        keeps: outcome.keeps,
        survives_reboot: outcome.survivesReboot ?? false,
        memo: outcome.memo,
        ...(outcome.jobClass === undefined ? {} : { job_class: outcome.jobClass }),
        ...(outcome.unabortable === undefined ? {} : { unabortable: outcome.unabortable }),
        ...(outcome.expectedBoot === undefined
          ? {}
          : { expected_boot: { class: outcome.expectedBoot.class, otherwise: outcome.expectedBoot.otherwise ?? 'fail' } }),
      };
    case 'timer':
      return {
        kind: 'wait',
        key: `timer:${runId}`,
        min_generation: 1,
        deadline_seconds: outcome.seconds,
        keeps: 'nothing',
        survives_reboot: true,
        memo: outcome.memo,
      };
  }
}

function toFailure({ code, message, retryable, exitStatus }: StepOutcome & { kind: 'fail' }): JsonObject {
  const found = failureClass({ code, retryable, ...(exitStatus === undefined ? {} : { exitStatus }) });
  return { kind: 'fail', code, message, class: found, retryable: found !== 'final', exit_status: exitStatus ?? null };
}
