import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { parseDocument } from 'yaml';
import type { Client } from '../../client/client.js';
import { CliError, ExitCode } from '../failure.js';
import type { Cli } from '../session.js';
import { countText } from '../terminal/words.js';

type Batch = Parameters<Client['batch']>[0];

/** The file as an object. JSON is YAML. What it may hold the server says, naming the item. Throws CliError (usage). */
function readFile(file: string, cwd: string): object {
  const refuse = (code: string, detail: string, cause?: unknown): CliError => new CliError({ exitCode: ExitCode.usage, code, detail }, cause);
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : path.resolve(cwd, file), 'utf8');
  } catch (error) {
    throw refuse('file-not-readable', `${file} cannot be read`, error);
  }
  const document = parseDocument(text, { strict: true, uniqueKeys: true });
  const [problem] = document.errors;
  if (problem !== undefined) throw refuse('usage', `${file}: ${problem.message}`);
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse('usage', `${file}: it must hold an object with deployments, nodes, bindings, commit`);
  return value;
}

/** `prybar apply`: a whole site from one file, again and again. */
export function addApply(program: Command, cli: Cli): void {
  program
    .command('apply')
    .description('create deployments and nodes, bind roles, and commit, from a file: all or nothing; what exists stays as it is')
    .argument('<file>', 'YAML or JSON; - for stdin')
    .option('--comment <text>', 'why, for the history of what is committed')
    .action((file: string, options: { comment?: string }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal, cwd }) => {
          const batch = { ...readFile(file, cwd), ...(options.comment === undefined ? {} : { comment: options.comment }) } as Batch;
          const done = await client().batch(batch, { signal });
          output.print(done, () => {
            const parts = [
              ...(done.deployments.length > 0 ? [`${countText(done.deployments.length, 'deployment')} created`] : []),
              ...(done.nodes.length > 0 ? [`${countText(done.nodes.length, 'node')} created`] : []),
              ...(done.noderoles > 0 ? [`${countText(done.noderoles, 'noderole')} bound`] : []),
              ...done.committed.map((one) => `${one.deployment} committed, revision ${one.revision}: ${countText(one.noderoles, 'noderole')}`),
            ];
            return parts.join('\n') || 'nothing to do: everything is as the file says';
          });
        },
        'prybar roles list, prybar nodes list',
      ),
    );
}
