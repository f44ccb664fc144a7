/** A deployment's state is derived, never stored (DESIGN 3). PURE. */
import type { NodeRoleState } from '../noderoles/state.js';

export type DeploymentState = 'proposed' | 'committed' | 'active' | 'error';
export type StateCounts = Record<NodeRoleState, number>;

/** No noderole in any state. */
export function noCounts(): StateCounts {
  return { PROPOSED: 0, BLOCKED: 0, TODO: 0, TRANSITION: 0, ACTIVE: 0, ERROR: 0 };
}

/** Never committed or recalled: proposed. Then any ERROR: error. Every noderole ACTIVE (and at least one): active. Else committed. */
export function deploymentState(committed: boolean, counts: StateCounts): DeploymentState {
  if (!committed) return 'proposed';
  if (counts.ERROR > 0) return 'error';
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  return all > 0 && counts.ACTIVE === all ? 'active' : 'committed';
}
