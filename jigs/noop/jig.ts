import type { Jig } from '../../src/jigs/contract.js';

/** Succeeds at once. The template for a new jig, and the jig of milestones. */
export const noop: Jig = {
  name: 'noop',
  description: 'succeeds at once',
  run: async () => ({ kind: 'done' }),
};
