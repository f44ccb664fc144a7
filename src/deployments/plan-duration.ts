/** How long it takes, as far as history tells. PURE. */
import type { PlanIndex } from './plan-snapshot.js';

/** `seconds`: the longest chain, one noderole at a time on each machine; null while nothing is known. Caps and rollouts make it longer. */
export type PlanDuration = { seconds: number | null; unknownRoles: string[] };

export function expectedSeconds(index: PlanIndex, running: readonly number[], waves: ReadonlyMap<number, number>): PlanDuration {
  const unknown = new Set<string>();
  const endOf = new Map<number, number>();
  const nodeFree = new Map<number, number>();
  let known = 0;
  let last = 0;
  const inOrder = [...running].sort((a, b) => (waves.get(a) ?? 0) - (waves.get(b) ?? 0) || a - b);
  for (const id of inOrder) {
    const nr = index.get(id);
    const role = index.role(nr.roleId);
    if (role.seconds === null && !nr.barrier) unknown.add(role.name);
    else known++;
    const machine = index.node(nr.nodeId).kind === 'machine';
    const parents = index.parents(id).reduce((latest, parent) => Math.max(latest, endOf.get(parent.id) ?? 0), 0);
    const end = Math.max(parents, machine ? (nodeFree.get(nr.nodeId) ?? 0) : 0) + (role.seconds ?? 0);
    endOf.set(id, end);
    if (machine) nodeFree.set(nr.nodeId, end);
    last = Math.max(last, end);
  }
  return { seconds: known === 0 ? null : Math.round(last * 10) / 10, unknownRoles: [...unknown].sort() };
}
