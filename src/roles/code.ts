/** What roles need of code: their jig, their function, their hooks. PURE. */
import { ValidationError, type FieldProblem } from '../shared/errors.js';
import type { BarclampDefinition, RoleDefinition } from './role.js';

/** What the code of this installation provides, from its wiring. */
export type RoleCode = {
  jigs: ReadonlySet<string>;
  /** Roles that have a function, for the jig `role-provided`. */
  functions: ReadonlySet<string>;
  /** Hook functions of each role that has any. */
  hooks: ReadonlyMap<string, ReadonlySet<string>>;
};

const ROLE_PROVIDED = 'role-provided';

/** Throws ValidationError that names each role, what it asks for and what there is. */
export function checkCode({ barclamp, roles }: BarclampDefinition, code: RoleCode): void {
  const problems = roles.flatMap((role) => problemsOf(role, code).map((problem) => ({ ...problem, field: `${barclamp.name}: ${problem.field}` })));
  if (problems.length > 0) throw new ValidationError(problems.map((problem) => `${problem.field}: ${problem.message}`).join('; '), problems);
}

/** What the role asks for that no code provides. */
export function problemsOf(role: Pick<RoleDefinition, 'name' | 'jig' | 'hooks'>, code: RoleCode): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const at = (key: string) => `role ${role.name}: ${key}`;
  if (!code.jigs.has(role.jig)) problems.push({ field: at('jig'), message: `there is no jig '${role.jig}'; there are ${listed(code.jigs)}` });
  else if (role.jig === ROLE_PROVIDED && !code.functions.has(role.name))
    problems.push({ field: at('jig'), message: `no code provides the function of this role; those that have one: ${listed(code.functions)}` });
  const provided = code.hooks.get(role.name) ?? new Set<string>();
  for (const hook of role.hooks)
    if (!provided.has(hook)) problems.push({ field: at('hooks'), message: `no code provides its hook '${hook}'; its code provides ${listed(provided)}` });
  return problems;
}

function listed(names: Iterable<string>): string {
  return [...names].sort().join(', ') || 'none';
}
