import type { Jig, RoleFunction } from '../../src/jigs/contract.js';

/** Roles that are functions in the server (src/roles/builtin): the jig only finds the function. */
export function roleProvided(functions: ReadonlyMap<string, RoleFunction>): Jig {
  return {
    name: 'role-provided',
    description: 'calls the function that Prybar ships for the role',
    run: async (ctx) => {
      const run = functions.get(ctx.role.name);
      if (!run)
        return {
          kind: 'fail',
          code: 'no-function',
          message: `role ${ctx.role.name} has jig role-provided, but Prybar has no function of that name`,
          retryable: false,
        };
      return run(ctx);
    },
  };
}
