import type { Jig, RoleFunction } from '../../src/jigs/contract.js';

/** Roles that are functions in the server (src/roles/builtin): the jig only finds the function. */
export function roleProvided(functions: ReadonlyMap<string, RoleFunction>): Jig {
  return {
    name: 'role-provided',
    description: 'calls the function that Prybar ships for the role',
    undoes: (role) => functions.get(role)?.onStop !== undefined,
    onStop: async (ctx) => (await functions.get(ctx.role.name)?.onStop?.(ctx)) ?? {},
    run: async (ctx) => {
      // The barriers of all clusters share one function.
      const name = ctx.role.config.barrier_of === undefined ? ctx.role.name : 'barrier';
      const run = functions.get(name);
      if (!run)
        return {
          kind: 'fail',
          code: 'no-function',
          message: `role ${ctx.role.name} has jig role-provided, but Prybar has no function '${name}'`,
          retryable: false,
        };
      return run(ctx);
    },
  };
}
