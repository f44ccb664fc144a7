/** A role as its row: what a definition says in columns. PURE. */
import type { RoleDefinition } from './role.js';

/** Longest pause between two attempts when nothing is said, seconds. */
const BACKOFF_MAX_SECONDS = 600;

/** Columns that the definition decides alone, in the order of the import's INSERT. */
export const DEFINED_COLUMNS = [
  'name',
  'barclamp',
  'description',
  'jig',
  'flags',
  'provides',
  'conflicts',
  'template',
  'attribs',
  'jig_config',
  'job_class',
  'timeout_seconds',
  'max_attempts',
  'backoff_seconds',
  'backoff_max_seconds',
  'no_retry_on',
  'hooks',
  'runs_in',
  'validity',
  'on_parent_error',
  'definition',
] as const;

export type RoleColumns = { name: string } & Record<Exclude<(typeof DEFINED_COLUMNS)[number], 'name'>, unknown>;

export function columnsOf(role: RoleDefinition, barclamp: string): RoleColumns {
  const { name, description, jig, flags, provides, conflicts, template, attribs, jig_config, job_class, timeout_seconds, max_attempts } = role;
  const { backoff_seconds, no_retry_on, hooks, runs_in, validity, on_parent_error } = role;
  return {
    ...{ name, barclamp, description, jig, flags, provides, conflicts, template, attribs, jig_config, job_class },
    ...{ timeout_seconds, max_attempts, backoff_seconds, no_retry_on, hooks, runs_in, validity, on_parent_error },
    backoff_max_seconds: role.backoff_max_seconds ?? Math.max(BACKOFF_MAX_SECONDS, backoff_seconds),
    definition: role,
  };
}
