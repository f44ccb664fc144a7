/**
 * What kind of failure a code is. PURE: the one table. `settle` acts on the class: a `retryable` one counts as a try of
 * the role and backs off, a `final` one is ERROR at once, an `infrastructure` one backs off and is no failure of the role
 * (Prybar, its database or the way to the machine is at fault). A role's `no_retry_on` makes codes final for it.
 */
export type FailureClass = 'retryable' | 'final' | 'infrastructure';

/** By code: of AppError, of jigs, of Node's system calls, of PostgreSQL. */
const CLASSES: Readonly<Record<string, FailureClass>> = {
  // Wrong input or a wrong state of things: the same again gives the same.
  'validation-failed': 'final',
  'bad-role': 'final',
  'bad-inputs': 'final',
  'bad-outcome': 'final',
  'no-jig': 'final',
  'no-function': 'final',
  'not-found': 'final',
  conflict: 'final',
  forbidden: 'final',
  unauthorized: 'final',
  'invalid-transition': 'final',
  'install-state-unknown': 'final',
  'install-open': 'final',
  'unexpected-boot': 'final',
  'no-bmc': 'final',
  'no-such-driver': 'final',
  'internal-error': 'final',
  // More tries lock the account.
  'bmc-credentials': 'final',
  // The machine, its BMC or what the role reaches for did not answer: it may the next time.
  'upstream-failed': 'retryable',
  timeout: 'retryable',
  'exit-status': 'retryable',
  'jig-threw': 'retryable',
  'no-netboot': 'retryable',
  ETIMEDOUT: 'retryable',
  ECONNRESET: 'retryable',
  ECONNREFUSED: 'retryable',
  EHOSTUNREACH: 'retryable',
  ENETUNREACH: 'retryable',
  EPIPE: 'retryable',
  ENOTFOUND: 'retryable',
  // Ours.
  EAI_AGAIN: 'infrastructure',
  EMFILE: 'infrastructure',
  ENFILE: 'infrastructure',
  ENOMEM: 'infrastructure',
  ENOSPC: 'infrastructure',
  EAGAIN: 'infrastructure',
  'not-served': 'infrastructure',
  'lease-over': 'infrastructure',
  'database-away': 'infrastructure',
};

/** Exit statuses by which a script says what its failure is (sysexits.h; 126 and 127 are the shell's). */
const EXIT_STATUSES: Readonly<Record<number, FailureClass>> = {
  // EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_CONFIG; not executable, not found.
  64: 'final',
  65: 'final',
  66: 'final',
  78: 'final',
  126: 'final',
  127: 'final',
  // EX_TEMPFAIL
  75: 'retryable',
};

/** Classes of PostgreSQL's SQLSTATE that mean "not now" and not "not so": connection, resources, operator, system. */
const PASSING_SQLSTATE = /^(?:08|40|53|55|57|58)[0-9A-Z]{3}$/;

/**
 * The class of a failure. What the jig said of an exit status or of a code that the table does not know (`retryable`)
 * stands; unknown and not said is retryable. `exitStatus` counts for the code `exit-status` alone.
 */
export function failureClass(failure: { code: string; retryable?: boolean; exitStatus?: number }): FailureClass {
  const { code, exitStatus, retryable } = failure;
  if (code === 'exit-status' && exitStatus !== undefined && EXIT_STATUSES[exitStatus] !== undefined) return EXIT_STATUSES[exitStatus];
  if (PASSING_SQLSTATE.test(code)) return 'infrastructure';
  const known = Object.hasOwn(CLASSES, code) ? CLASSES[code] : undefined;
  // Not sent because the lease was over: no use in trying on within this run, and no failure of the role.
  if (code === 'lease-over') return 'infrastructure';
  // A jig that says that more tries are of no use knows its case better.
  if (retryable === false) return 'final';
  if (known !== undefined && !(known === 'final' && retryable === true)) return known;
  return 'retryable';
}

/** What an error thrown by a jig is, as code and message. Looks at the cause: fetch hides the system's error there. */
export function failureOf(error: unknown): { code: string; message: string; retryable?: boolean } {
  const message = error instanceof Error ? error.message : String(error);
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const code = 'code' in at ? at.code : undefined;
    const retryable = 'retryable' in at && typeof at.retryable === 'boolean' ? { retryable: at.retryable } : {};
    if (typeof code === 'string' && (Object.hasOwn(CLASSES, code) || PASSING_SQLSTATE.test(code) || 'retryable' in at)) return { code, message, ...retryable };
  }
  return { code: 'jig-threw', message };
}
