/** How a command ends when it does not succeed: the exit code, the problem document of --json, and the text for people. PURE. */
import { CommanderError } from 'commander';
import { ClientError } from '../client/client.js';
import { printableLine } from './terminal/text-width.js';
import type { Look } from './terminal/look.js';

export const ExitCode = {
  ok: 0,
  /** The thing itself failed: refused by the server, or ended in ERROR. */
  failed: 1,
  /** The command line is not one we know, or the server says that a value in it is not valid (HTTP 400). */
  usage: 2,
  unreachable: 3,
  unauthorized: 4,
  /** Ended by Ctrl-C, as a shell reports SIGINT. */
  interrupted: 130,
} as const;

type Problem = {
  exitCode: number;
  code: string;
  detail: string;
  /** HTTP status of a refusal that is told in other words. */
  status?: number;
  next?: string;
  errors?: { field: string; message: string }[];
  reasons?: string[];
};

/** Thrown when the CLI itself gives up; `next` is the command or the act that helps. */
export class CliError extends Error {
  constructor(
    readonly problem: Problem,
    cause?: unknown,
  ) {
    super(problem.detail, cause === undefined ? undefined : { cause });
    this.name = 'CliError';
  }
}

/** What is shown of a failure: `text` for people, `problem` (RFC 9457) for --json. */
export type Failure = { exitCode: number; text: string; problem: Record<string, unknown> };

function exitCodeOf(error: ClientError): number {
  if (error.code === 'cancelled') return ExitCode.interrupted;
  if (error.status === 0) return ExitCode.unreachable;
  if (error.status === 401 || error.status === 403) return ExitCode.unauthorized;
  return error.status === 400 ? ExitCode.usage : ExitCode.failed;
}

/** What helps against a failure that is the same for every command. */
function nextOf(error: ClientError, baseUrl: string): string | undefined {
  if (error.status === 0) return `is it running? start it with: prybar up   (asked at ${baseUrl}; another: --url or PRYBAR_URL)`;
  if (error.status === 401) return 'give a valid token: PRYBAR_TOKEN, --token-file FILE, or the admin-token file of the server’s data directory';
  if (error.status === 403) return 'this needs a token with a wider scope';
  return undefined;
}

function toProblem(error: unknown, context: { baseUrl: string; next: string | undefined }): Problem & { status: number } {
  if (error instanceof CliError) return { status: 0, ...error.problem };
  if (error instanceof ClientError) {
    const { code, detail, status, errors } = error;
    const next = nextOf(error, context.baseUrl) ?? (status === 404 || status === 400 || status === 409 ? context.next : undefined);
    return {
      exitCode: exitCodeOf(error),
      code,
      detail,
      status,
      errors,
      ...(next === undefined ? {} : { next }),
    };
  }
  if (error instanceof CommanderError) {
    const detail = error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '');
    return {
      exitCode: error.exitCode === 0 ? ExitCode.ok : ExitCode.usage,
      code: 'usage',
      detail,
      status: 0,
      next: 'prybar --help',
    };
  }
  return {
    exitCode: ExitCode.failed,
    code: 'internal-error',
    detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
    status: 0,
  };
}

/** Reads any error as a Failure. `next` is what the command suggests when the server refuses it. */
export function describeFailure(error: unknown, look: Look, context: { baseUrl: string; next: string | undefined }): Failure {
  const { exitCode, code, detail, status, errors = [], reasons = [], next } = toProblem(error, context);
  const lines = [`${look.paint('error', 'error:')} ${code === 'internal-error' ? detail : printableLine(detail)}`];
  for (const { field, message } of errors) lines.push(`  ${look.paint('strong', printableLine(field))}: ${printableLine(message)}`);
  for (const reason of reasons) lines.push(`  ${printableLine(reason)}`);
  if (next !== undefined) lines.push(`${look.paint('dim', 'next:')} ${next}`);
  const problem = {
    type: 'about:blank',
    title: code,
    status,
    detail,
    code,
    ...(errors.length === 0 ? {} : { errors }),
    ...(reasons.length === 0 ? {} : { reasons }),
    ...(next === undefined ? {} : { next }),
  };
  return { exitCode, text: lines.join('\n'), problem };
}
