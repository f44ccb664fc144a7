import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Client } from '../client/client.js';
import { CliError, ExitCode } from './failure.js';

/** Data of a noderole, as the API takes it. */
export type JsonObject = Parameters<Client['nodeRoles']['setData']>[1];

function readSource(text: string, where: string, cwd: string): string {
  if (text !== '-' && !text.startsWith('@')) return text;
  const file = text === '-' ? 0 : path.resolve(cwd, text.slice(1));
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(
      {
        exitCode: ExitCode.usage,
        code: 'file-not-readable',
        detail: `${where}: ${text === '-' ? 'stdin' : file} cannot be read`,
      },
      error,
    );
  }
}

/** A JSON object from the command line: the text itself, `@FILE`, or `-` for stdin. Throws CliError (usage) naming `where` it stood. */
export function readJsonObject(text: string, where: string, cwd: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(readSource(text, where, cwd));
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      {
        exitCode: ExitCode.usage,
        code: 'usage',
        detail: `${where}: not JSON (${error instanceof Error ? error.message : String(error)})`,
        next: `write it in single quotes: '{"key": "value"}'`,
      },
      error,
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CliError({
      exitCode: ExitCode.usage,
      code: 'usage',
      detail: `${where}: it must be a JSON object`,
      next: `write it in single quotes: '{"key": "value"}'`,
    });
  }
  return Object.fromEntries(Object.entries(value));
}
