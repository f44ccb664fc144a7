/** What a jig left, held against its role before it is settled. PURE. */
import { problemsOfWall } from '../attribs/schema.js';
import { maskText } from '../attribs/secrets.js';
import type { JigOutcome } from '../jigs/contract.js';
import type { Settlement } from '../noderoles/settle.js';
import type { StartedRun } from './start.js';

const PROBLEMS_TOLD = 5;

/** A wall off the schema of a declared attrib is an error of the jig: whoever wants the attrib would be given it. */
export function withCheckedWall(run: Pick<StartedRun, 'role'>, outcome: JigOutcome): JigOutcome {
  if (outcome.kind !== 'done' || outcome.wall === undefined) return outcome;
  const problems = problemsOfWall(run.role.attribs, outcome.wall);
  if (problems.length === 0) return outcome;
  const words = problems.slice(0, PROBLEMS_TOLD).map(({ field, message }) => `${field}: ${message}`);
  const more = problems.length > PROBLEMS_TOLD ? `; and ${problems.length - PROBLEMS_TOLD} more` : '';
  return {
    kind: 'fail',
    code: 'wall-off-schema',
    message: `the step left what role '${run.role.name}' does not allow: ${words.join('; ')}${more}; mend the jig, or the schema of the attrib`,
    retryable: false,
  };
}

/** What failed is shown to everybody who may look: its message says no secret that the run was given. */
export function withoutSecrets(outcome: Settlement['outcome'], secrets: readonly string[]): Settlement['outcome'] {
  return outcome.kind === 'fail' ? { ...outcome, message: maskText(outcome.message, secrets) } : outcome;
}
