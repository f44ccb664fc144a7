import type { Jig, JigRegistry, RoleFunction } from '../src/jigs/contract.js';
import { noop } from './noop/jig.js';
import { roleProvided } from './role-provided/jig.js';
import { script } from './script/jig.js';
import { test } from './test/jig.js';

/** Every jig there is: one import and one line each. */
export function createJigs(roleFunctions: ReadonlyMap<string, RoleFunction>): JigRegistry {
  const jigs: Jig[] = [noop, test, script, roleProvided(roleFunctions)];
  return new Map(jigs.map((jig) => [jig.name, jig]));
}
