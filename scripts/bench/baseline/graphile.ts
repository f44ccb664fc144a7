/**
 * The baseline: graphile-worker's plain jobs per second, as its own performance test does it: one process, `run` at
 * concurrency 10, trivial task, all jobs added in bulk before. argv: number of jobs, size of the local queue (0: plain).
 */
import { makeWorkerUtils, Logger, run } from 'graphile-worker';

const connectionString = process.env['DATABASE_URL'] ?? '';
const count = Number(process.argv[2]);
const localQueue = Number(process.argv[3] ?? 0);
const CHUNK = 5_000;
// Its default logger tells every single job.
const logger = new Logger(() => () => undefined);

const utils = await makeWorkerUtils({ connectionString, logger });
await utils.migrate();
for (let at = 0; at < count; at += CHUNK)
  await utils.addJobs(Array.from({ length: Math.min(CHUNK, count - at) }, (_, index) => ({ identifier: 'noop', payload: { id: at + index } })));
await utils.release();

let done = 0;
let startedAt = 0;
let cpuAtStart: NodeJS.CpuUsage | undefined;
let finish: (() => void) | undefined;
const finished = new Promise<void>((resolve) => (finish = resolve));
const runner = await run({
  connectionString,
  logger,
  concurrency: 10,
  noHandleSignals: true,
  pollInterval: 500,
  taskList: {
    noop: async () => {
      if (done === 0) {
        startedAt = performance.now();
        cpuAtStart = process.cpuUsage();
      }
      if (++done === count) finish?.();
    },
  },
  ...(localQueue > 0 ? { preset: { worker: { localQueue: { size: localQueue }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } } } : {}),
});
process.send?.({ kind: 'running' });
await finished;
const seconds = (performance.now() - startedAt) / 1000;
const cpu = process.cpuUsage(cpuAtStart);
process.send?.({ kind: 'result', perSecond: count / seconds, cpuSeconds: (cpu.user + cpu.system) / 1e6 });
await runner.stop();
process.disconnect();
