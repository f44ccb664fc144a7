/** What the code of this installation provides for roles: jigs, functions, hooks. Wiring only. */
import { createJigs } from '../../jigs/index.js';
import type { RoleCode } from '../roles/code.js';
import { ROLES_WITH_FUNCTIONS } from './role-functions.js';
import { roleHooks } from './role-hooks.js';

export function roleCode(context: Parameters<typeof roleHooks>[0]): RoleCode {
  return {
    jigs: new Set(createJigs(new Map()).keys()),
    functions: ROLES_WITH_FUNCTIONS,
    hooks: new Map([...roleHooks(context)].map(([role, hooks]) => [role, new Set(Object.keys(hooks))])),
  };
}
