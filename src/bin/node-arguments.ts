/**
 * Arguments of Node for a process that executes runs. What belongs to a batch of 500 lives as long as the batch; with the
 * default young generation, which begins at 1 MB and ends at 16, most of it is copied into the old one before it is garbage.
 */
export const RUNS_NODE_ARGUMENTS: readonly string[] = ['--min-semi-space-size=16', '--max-semi-space-size=32'];
