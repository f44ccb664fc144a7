/**
 * Every job DEFINITION: queue, payload, id. No handlers here, so producers do not drag them in. A job carries
 * identities, never decisions (DESIGN rule 3), and never a secret: `/queues` shows payloads. Queue names are
 * `<prefix>-<queue>`. docs/queue.md is this file in words; a test holds them together.
 */
import { z } from 'zod';

/** Classes of runs, each with a queue and a concurrency of its own (engine-rules 22). */
export const jobClasses = ['fast', 'ssh', 'power', 'image'] as const;
export type JobClass = (typeof jobClasses)[number];

/** One ring of one run. Starting it consumes the fence, so a job that comes twice starts once (engine-rules 4). */
export const runJob = z.object({ runId: z.number().int().positive(), dispatch: z.number().int().positive(), fence: z.number().int().positive() });
export type RunJob = z.infer<typeof runJob>;

/** A ring of the queue as the engine's functions return it. */
export type Ring = RunJob & { jobClass: string };

export const runQueue = (jobClass: string) => `runs-${jobClass}`;

/** Every ring has its own id: BullMQ silently ignores an id it already holds (engine-rules 5). */
export const runJobId = (job: RunJob) => `r-${job.runId}-${job.dispatch}`;

/** Asks an annealer for a pass. Carries nothing: the pass reads what is true then. */
export const annealQueue = 'anneal';
export const annealJob = z.object({});
/** One kick waits at most; one that comes during a pass causes one more (engine-rules 5). */
export const annealDeduplication = { id: 'anneal', keepLastIfActive: true } as const;

/** Asks an annealer for a sweep: the second source beside each annealer's own timer (engine-rules 11). */
export const sweepQueue = 'sweep';
export const sweepJob = z.object({});
export const sweepSchedulerId = 'sweep';

/** Every queue there is, for the board and the documentation. */
export const queueNames: readonly string[] = [annealQueue, sweepQueue, ...jobClasses.map(runQueue)];
