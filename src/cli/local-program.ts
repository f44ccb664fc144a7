/** What works on this machine's files, without a server: src/bin/local.ts, run as a program of its own. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { CliError, ExitCode } from './failure.js';
import type { Session } from './session.js';

const problemSchema = z.object({ problem: z.object({ code: z.string(), detail: z.string() }) });

/** Its answer, read by the schema, and whether all was well. Progress goes to stderr as it comes. Throws CliError for a refusal. */
export async function runLocal<Schema extends z.ZodType>(
  session: Session,
  args: string[],
  schema: Schema,
): Promise<{ answer: z.output<Schema>; good: boolean }> {
  const { packageRoot, cwd, env, options, output, signal } = session;
  const program = path.join(packageRoot, 'dist', 'src', 'bin', 'local.js');
  if (!existsSync(program)) {
    throw new CliError({ exitCode: ExitCode.failed, code: 'not-built', detail: `${program} does not exist: this copy is not built`, next: 'npm run build' });
  }
  const childEnv = options.home === undefined ? env : { ...env, PRYBAR_HOME: path.resolve(cwd, options.home) };
  const child = spawn(process.execPath, [program, ...args], { cwd, env: childEnv, stdio: ['ignore', 'pipe', output.json ? 'ignore' : 'inherit'] });
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  try {
    let text = '';
    child.stdout.on('data', (part: Buffer) => (text += part.toString()));
    const status = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
    return { answer: readAnswer(text, schema), good: status === 0 };
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function readAnswer<Schema extends z.ZodType>(text: string, schema: Schema): z.output<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new CliError({ exitCode: ExitCode.failed, code: 'no-answer', detail: 'it ended without an answer' });
  }
  const refused = problemSchema.safeParse(json);
  if (refused.success) throw new CliError({ exitCode: ExitCode.failed, ...refused.data.problem });
  return schema.parse(json);
}
