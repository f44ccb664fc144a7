/** What is bound to one node, as the roles that come to it see it: who answers a requirement, and who excludes whom. PURE. */
import { ConflictError } from '../shared/errors.js';

type Role = { name: string; provides: readonly string[]; conflicts: readonly string[] };

export class SameNode {
  private readonly byName = new Map<string, number>();
  private readonly byProvided = new Map<string, { ref: number; role: string }>();
  /** Which role on the node excludes the key. */
  private readonly excludes = new Map<string, string>();

  /** What exists (positive) goes before what is being made (negative), the older before the newer. */
  add(role: Role, ref: number): void {
    this.byName.set(role.name, ref);
    for (const name of role.provides) if (!this.byProvided.has(name)) this.byProvided.set(name, { ref, role: role.name });
    for (const name of role.conflicts) if (!this.excludes.has(name)) this.excludes.set(name, role.name);
  }

  exactly(name: string): number | undefined {
    return this.byName.get(name);
  }

  /** The noderole of that role, or of one that provides it: the lower id of both. */
  answering(name: string): number | undefined {
    const exact = this.byName.get(name);
    const provided = this.byProvided.get(name)?.ref;
    if (exact === undefined || provided === undefined) return exact ?? provided;
    return exact > 0 === provided > 0 ? (exact > 0 ? Math.min(exact, provided) : Math.max(exact, provided)) : Math.max(exact, provided);
  }

  /** Throws ConflictError naming every role on the node that cannot be together with this one. */
  refuseConflicts(role: Role, nodeName: string): void {
    const names = new Set<string>();
    const excluder = this.excludes.get(role.name);
    if (excluder !== undefined) names.add(excluder);
    for (const name of role.conflicts) if (this.byName.has(name)) names.add(name);
    for (const name of [role.name, ...role.provides]) {
      const provider = this.byProvided.get(name);
      if (provider !== undefined) names.add(provider.role);
    }
    for (const name of role.provides) if (this.byName.has(name)) names.add(name);
    if (names.size === 0) return;
    throw new ConflictError(`role '${role.name}' cannot be on node '${nodeName}' together with ${[...names].map((name) => `'${name}'`).join(', ')}`, {
      code: 'role-conflict',
      details: { conflicts_with: [...names] },
    });
  }
}
