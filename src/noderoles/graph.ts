/** Cohorts and cycles of a graph of ids. PURE. */

export type Edge = { parent: number; child: number };

/** `least(id)` (0) for roots, else at least that and 1 + the greatest cohort of the parents (engine.md 1.3). Throws CycleError naming the cycle. */
export function cohorts(ids: Iterable<number>, edges: Iterable<Edge>, least: (id: number) => number = () => 0): Map<number, number> {
  const parentsOf = new Map<number, number[]>();
  for (const id of ids) parentsOf.set(id, []);
  for (const { parent, child } of edges) parentsOf.get(child)?.push(parent);
  const result = new Map<number, number>();
  const state = new Map<number, 'open' | 'done'>();

  for (const start of parentsOf.keys()) {
    // An explicit stack: chains of 10,000 must not overflow the call stack.
    const stack: number[] = [start];
    while (stack.length > 0) {
      const id = stack[stack.length - 1] as number;
      if (state.get(id) === 'done') {
        stack.pop();
        continue;
      }
      const parents = (parentsOf.get(id) ?? []).filter((parent) => parentsOf.has(parent));
      const waiting = parents.filter((parent) => state.get(parent) !== 'done');
      if (waiting.length === 0) {
        result.set(
          id,
          parents.reduce((deepest, parent) => Math.max(deepest, (result.get(parent) ?? 0) + 1), least(id)),
        );
        state.set(id, 'done');
        stack.pop();
        continue;
      }
      state.set(id, 'open');
      for (const parent of waiting) {
        if (state.get(parent) === 'open') throw new CycleError(openPath(stack, state, parent));
        stack.push(parent);
      }
    }
  }
  return result;
}

/** Thrown when edges form a cycle; `path` begins and ends with the same id. */
export class CycleError extends Error {
  constructor(readonly path: number[]) {
    super(`cycle: ${path.join(' -> ')}`);
    this.name = 'CycleError';
  }
}

function openPath(stack: number[], state: Map<number, 'open' | 'done'>, again: number): number[] {
  const open = stack.slice(stack.indexOf(again)).filter((id) => state.get(id) === 'open');
  return [...open, again];
}
