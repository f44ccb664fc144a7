/** Plans as the API shows them. */
import type { HashedPlan } from '../../deployments/plan-read.js';
import { planWords } from '../../deployments/plan-words.js';
import type { Plan } from '../plan-schemas.js';

export function viewPlan({ willRun: _, duration, ...plan }: HashedPlan): Plan {
  return {
    ...plan,
    words: planWords({ ...plan, willRun: _, duration }),
    duration: { seconds: duration.seconds, unknown_roles: duration.unknownRoles },
  };
}
