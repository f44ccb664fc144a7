/** The graph of roles, by name: who comes after whom. PURE. */

/** A role and those it comes after. */
export type RoleGraph = ReadonlyMap<string, readonly string[]>;

/**
 * Cohort of every role: 0 for roots, else one more than the deepest of those it comes after. One that is not in the graph
 * is left out. Returns the first cycle found instead, as the path that forms it: it begins and ends with the same role.
 * Without recursion: chains of 10,000 roles are somebody's import.
 */
export function roleCohorts(graph: RoleGraph): { cohorts: Map<string, number> } | { cycle: string[] } {
  const cohorts = new Map<string, number>();
  const onPath = new Set<string>();
  for (const start of graph.keys()) {
    const path: { role: string; next: number }[] = [];
    const enter = (role: string): void => {
      path.push({ role, next: 0 });
      onPath.add(role);
    };
    if (!cohorts.has(start)) enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const before = graph.get(top.role) ?? [];
      const other = before[top.next];
      if (other === undefined) {
        cohorts.set(
          top.role,
          before.reduce((cohort, role) => Math.max(cohort, (cohorts.get(role) ?? -1) + 1), 0),
        );
        onPath.delete(top.role);
        path.pop();
        continue;
      }
      top.next += 1;
      if (onPath.has(other)) return { cycle: [...path.slice(path.findIndex((frame) => frame.role === other)).map((frame) => frame.role), other] };
      if (graph.has(other) && !cohorts.has(other)) enter(other);
    }
  }
  return { cohorts };
}

/** The path in words, its middle left out when nobody would read it. */
export function pathText(path: readonly string[], separator = ' -> '): string {
  return path.length <= 20 ? path.join(separator) : [...path.slice(0, 10), `... ${path.length - 20} more ...`, ...path.slice(-10)].join(separator);
}
