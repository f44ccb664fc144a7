/**
 * What all roles together mean: whom each requires (by itself, because another attaches to it, because it wants another's
 * attrib), whom it follows softly, its cohort. Refuses what can never work: cycles, requirements that dangle, an attrib
 * that several roles could mean, a soft order against the hard one (engine-rules 24). PURE.
 */
import { ConflictError } from '../shared/errors.js';
import { nearest } from '../shared/nearest.js';
import { pathText, roleCohorts } from './graph.js';
import type { RoleDefinition } from './role.js';
import { refuseServedCircle } from './served-order.js';
import { resolveWants, type Dangling, type Want, type Warning } from './wants.js';

export type ResolveOptions = {
  /** Roles written by this import: what dangles in others was accepted earlier. */
  imported: ReadonlySet<string>;
  /** Roles that this import takes away. */
  removed: ReadonlySet<string>;
  /** Requirements of roles that do not exist yet become warnings. */
  allowDangling: boolean;
};

export type SoftAfter = { node: string[]; deployment: string[] };
export type ResolvedRole = { requires: string[]; wants: Want[]; softAfter: SoftAfter; cohort: number };
export type Resolved = { roles: Map<string, ResolvedRole>; warnings: Warning[] };

/** Throws ConflictError: role-dangling, role-cycle, role-soft-order, role-conflict, served-circle, attrib-ambiguous; the message names who and the path. */
export function resolveRoles(definitions: readonly RoleDefinition[], options: ResolveOptions): Resolved {
  const byName = new Map(definitions.map((role) => [role.name, role]));
  const warnings: Warning[] = [];
  const dangling: Dangling[] = [];
  const wants = resolveWants(definitions, warnings, dangling);
  const requires = requirements(definitions, byName, wants, dangling);
  refuseDangling(dangling, [...byName.keys()], options, warnings);
  refuseConflictingParents(byName, requires);

  const hard = roleCohorts(requires);
  if ('cycle' in hard) throw new ConflictError(`roles require each other: ${pathText(hard.cycle)}`, { code: 'role-cycle', details: { cycle: hard.cycle } });
  const soft = softOrder(definitions, byName, warnings);
  const both = new Map([...requires].map(([name, before]) => [name, [...before, ...(soft.get(name)?.node ?? []), ...(soft.get(name)?.deployment ?? [])]]));
  const cohorts = roleCohorts(both);
  if ('cycle' in cohorts) throw softConflict(cohorts.cycle, requires);

  refuseServedCircle(new Map(definitions.map(({ name, flags }) => [name, { flags, requires: requires.get(name) ?? [] }])));
  warnings.push(...abstractWithoutProvider(definitions));
  const roles = definitions.map((role): [string, ResolvedRole] => [
    role.name,
    {
      requires: requires.get(role.name) ?? [],
      wants: wants.get(role.name) ?? [],
      softAfter: soft.get(role.name) ?? { node: [], deployment: [] },
      cohort: cohorts.cohorts.get(role.name) ?? 0,
    },
  ]);
  return { roles: new Map(roles), warnings };
}

function requirements(
  definitions: readonly RoleDefinition[],
  byName: ReadonlyMap<string, RoleDefinition>,
  wants: ReadonlyMap<string, Want[]>,
  dangling: Dangling[],
): Map<string, string[]> {
  const result = new Map<string, Set<string>>(definitions.map((role) => [role.name, new Set(role.requires)]));
  for (const role of definitions) {
    for (const required of role.requires) if (!byName.has(required)) dangling.push({ role: role.name, requires: required, because: 'requires' });
    for (const other of role.attaches) {
      const target = result.get(other);
      if (target === undefined) dangling.push({ role: role.name, requires: other, because: 'attaches to' });
      else target.add(role.name);
    }
    for (const want of wants.get(role.name) ?? []) if (want.role !== null && want.role !== role.name) result.get(role.name)?.add(want.role);
  }
  return new Map([...result].map(([name, set]) => [name, [...set].sort()]));
}

function refuseDangling(dangling: Dangling[], known: readonly string[], { imported, removed, allowDangling }: ResolveOptions, warnings: Warning[]): void {
  const isNew = ({ role, requires }: Dangling) => imported.has(role) || removed.has(requires);
  const refused = allowDangling ? [] : dangling.filter(isNew);
  const words = ({ role, requires, because }: Dangling) => `role '${role}' ${because} '${requires}', which does not exist`;
  if (refused.length > 0) {
    const more = refused.length > 5 ? `; and ${refused.length - 5} more` : '';
    const told = refused.slice(0, 5).map((each) => {
      const near = nearest(
        each.requires,
        known.filter((role) => role !== each.role),
      );
      return `${words(each)}${near === undefined ? '' : ` (the nearest is '${near}')`}`;
    });
    throw new ConflictError(`${told.join('; ')}${more}`, {
      code: 'role-dangling',
      details: { dangling: refused.slice(0, 100).map(({ role, requires }) => ({ role, requires })) },
    });
  }
  warnings.push(...dangling.map((each) => ({ role: each.role, message: `${words(each)} yet` })));
}

/** A parent that must be on the same node and may not be there: never satisfied. */
function refuseConflictingParents(byName: ReadonlyMap<string, RoleDefinition>, requires: ReadonlyMap<string, string[]>): void {
  for (const [name, parents] of requires) {
    const role = byName.get(name);
    for (const parent of parents) {
      const other = byName.get(parent);
      if (!role || !other || !other.flags.includes('implicit')) continue;
      if (role.conflicts.includes(parent) || other.conflicts.includes(name))
        throw new ConflictError(`role '${name}' requires '${parent}' on its own node (it is implicit) and conflicts with it`, { code: 'role-conflict' });
    }
  }
}

/** Whom each role follows softly. A role that precedes an abstract one precedes all that provide it. */
function softOrder(definitions: readonly RoleDefinition[], byName: ReadonlyMap<string, RoleDefinition>, warnings: Warning[]): Map<string, SoftAfter> {
  const providers = new Map<string, string[]>();
  for (const role of definitions) for (const provided of role.provides) providers.set(provided, [...(providers.get(provided) ?? []), role.name]);
  const result = new Map<string, { node: Set<string>; deployment: Set<string> }>();
  for (const role of definitions) {
    for (const { role: successor, scope } of role.precedes) {
      if (!byName.has(successor)) warnings.push({ role: role.name, message: `role '${role.name}' precedes '${successor}', which does not exist yet` });
      for (const follower of [successor, ...(providers.get(successor) ?? [])]) {
        if (follower === role.name || !byName.has(follower)) continue;
        const after = result.get(follower) ?? { node: new Set(), deployment: new Set() };
        after[scope].add(role.name);
        result.set(follower, after);
      }
    }
  }
  return new Map([...result].map(([name, after]) => [name, { node: [...after.node].sort(), deployment: [...after.deployment].sort() }]));
}

/** A cycle that exists only with soft edges: each of its hops in words. */
function softConflict(cycle: string[], requires: ReadonlyMap<string, string[]>): ConflictError {
  const hops = cycle.slice(0, -1).map((role, index) => {
    const before = cycle[index + 1] ?? '';
    return requires.get(role)?.includes(before) === true ? `${role} requires ${before}` : `${before} precedes ${role}`;
  });
  return new ConflictError(`a soft order goes against the others: ${pathText(hops, ', ')}`, { code: 'role-soft-order', details: { cycle, hops } });
}

function abstractWithoutProvider(definitions: readonly RoleDefinition[]): Warning[] {
  const provided = new Set(definitions.flatMap((role) => role.provides));
  return definitions
    .filter((role) => role.flags.includes('abstract') && !provided.has(role.name))
    .map((role) => ({ role: role.name, message: `role '${role.name}' is abstract and no role provides it` }));
}
