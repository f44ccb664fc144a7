/** Time limits of programs that share their cores with whatever else runs. */
import { availableParallelism, loadavg } from 'node:os';

/** `ms` of a machine with a core to spare, on this one as it is: as many times as long as there are programs for each core. */
export function busyMs(ms: number): number {
  return ms * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
}
