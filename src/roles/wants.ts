/** Which role an attrib that is wanted belongs to. PURE. */
import { NODE_SCOPE, WANTS_NO_MEMBERS, WANTS_PARENTS } from '../attribs/names.js';
import { ConflictError } from '../shared/errors.js';
import type { RoleDefinition } from './role.js';

/** `role`: who declares the attrib; null for a path of the node's own, and for the words `parents` and `no-members`. `at`: the path in the inputs where its value is put. */
export type Want = { name: string; at: string; role: string | null };

/** A role named by another that does not exist; `because` says how it is named. */
export type Dangling = { role: string; requires: string; because: string };
/** Something odd that works: about which role, in words. */
export type Warning = { role: string; message: string };

type Owners = ReadonlyMap<string, readonly string[]>;

/**
 * The wants of every role. An attrib's owner is the role named before the slash; else the role itself; else the one role
 * that declares it, or, of several, the one that is required. An attrib that no role declares is the node's.
 * Adds to `dangling` a named role that does not exist. Throws ConflictError attrib-ambiguous, role-dangling.
 */
export function resolveWants(definitions: readonly RoleDefinition[], warnings: Warning[], dangling: Dangling[]): Map<string, Want[]> {
  const owners = new Map<string, string[]>();
  const byName = new Map(definitions.map((role) => [role.name, role]));
  for (const role of definitions) for (const attrib of role.attribs) owners.set(attrib.name, [...(owners.get(attrib.name) ?? []), role.name]);
  const result = new Map<string, Want[]>();
  for (const role of definitions) {
    if (role.wants_attribs.length === 0) continue;
    const wants = role.wants_attribs.map((wanted): Want => {
      const slash = wanted.name.indexOf('/');
      const name = wanted.name.slice(slash + 1);
      const at = ('at' in wanted ? wanted.at : undefined) ?? name;
      if (name === WANTS_PARENTS || name === WANTS_NO_MEMBERS) return { name, at: name, role: null };
      if (slash < 0) return { name, at, role: ownerOf(role, name, owners, warnings) };
      const scope = wanted.name.slice(0, slash);
      if (scope === NODE_SCOPE) return { name, at, role: null };
      const owner = byName.get(scope);
      if (owner === undefined) dangling.push({ role: role.name, requires: scope, because: `wants attrib ${wanted.name} of role` });
      else if (!owner.attribs.some((attrib) => attrib.name === name))
        throw new ConflictError(`role '${role.name}' wants attrib '${wanted.name}', but role '${scope}' declares no '${name}'`, { code: 'role-dangling' });
      return { name, at, role: scope };
    });
    result.set(role.name, wants);
  }
  return result;
}

function ownerOf(role: RoleDefinition, name: string, owners: Owners, warnings: Warning[]): string | null {
  const declaring = owners.get(name) ?? [];
  if (declaring.includes(role.name)) return role.name;
  if (declaring.length > 1) {
    const required = declaring.filter((owner) => role.requires.includes(owner));
    if (required.length === 1) return required[0] ?? null;
    const words = declaring.map((owner) => `${owner}/${name}`).join(', ');
    throw new ConflictError(`role '${role.name}' wants attrib '${name}', which several roles declare; write one of ${words}`, { code: 'attrib-ambiguous' });
  }
  if (declaring.length === 0)
    warnings.push({ role: role.name, message: `role '${role.name}' wants attrib '${name}', which no role declares: it is read from the node` });
  return declaring[0] ?? null;
}
