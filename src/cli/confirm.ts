/** Asking before something that cannot be taken back. On a terminal with a question; elsewhere only --yes says yes. */
import { CliError, ExitCode } from './failure.js';
import type { Session } from './session.js';

/** Throws CliError when the answer is no, or when nobody can be asked. */
export async function confirm(session: Session, ask: { question: string; yes: boolean | undefined; next: string }): Promise<void> {
  if (ask.yes === true) return;
  if (session.ask === undefined)
    throw new CliError({
      exitCode: ExitCode.failed,
      code: 'not-confirmed',
      detail: `${ask.question} There is no terminal to ask at`,
      next: ask.next,
    });
  const answer = await session.ask(`${ask.question} [y/N] `);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new CliError({ exitCode: ExitCode.failed, code: 'not-confirmed', detail: 'not confirmed: nothing was done' });
}
