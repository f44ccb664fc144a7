/**
 * Arguments of Node for processes of their own. The young generation begins at 1 MB and grows while what is needed is copied
 * from one half to the other and into the old generation.
 */

/** What belongs to a batch of 500 runs lives as long as the batch: with less, most of it grows old before it is garbage. */
export const RUNS_NODE_ARGUMENTS: readonly string[] = ['--min-semi-space-size=16', '--max-semi-space-size=32'];

/** At its start a boot server reads every machine there is, and is asked already. */
export const BOOT_NODE_ARGUMENTS: readonly string[] = ['--min-semi-space-size=16'];
