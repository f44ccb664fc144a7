/** The requires graph of roles, by name. PURE. */

/** Nodes with their cohort: 0 for roots, else one more than the deepest requirement. */
export type RoleGraph = Map<string, string[]>;

/**
 * Cohort of every role. A requirement that is not in the graph dangles and is left out (it may be imported later).
 * Returns the first cycle found instead, as the path that forms it: it begins and ends with the same role.
 */
export function roleCohorts(graph: RoleGraph): { cohorts: Map<string, number> } | { cycle: string[] } {
  const cohorts = new Map<string, number>();
  const path: string[] = [];
  const onPath = new Set<string>();

  const visit = (role: string): string[] | null => {
    if (cohorts.has(role)) return null;
    if (onPath.has(role)) return [...path.slice(path.indexOf(role)), role];
    path.push(role);
    onPath.add(role);
    let cohort = 0;
    for (const required of graph.get(role) ?? []) {
      if (!graph.has(required)) continue;
      const cycle = visit(required);
      if (cycle) return cycle;
      cohort = Math.max(cohort, (cohorts.get(required) ?? 0) + 1);
    }
    path.pop();
    onPath.delete(role);
    cohorts.set(role, cohort);
    return null;
  };

  for (const role of graph.keys()) {
    const cycle = visit(role);
    if (cycle) return { cycle };
  }
  return { cohorts };
}
