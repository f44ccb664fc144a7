import type { Command } from 'commander';
import type { Bootenv } from '../answers.js';
import { printList, readList, withPaging, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import type { Column } from '../table.js';
import { addLocalBootenvs } from './bootenvs-local.js';
import { printableBlock } from '../terminal/text-width.js';
import { listText } from '../terminal/words.js';

const COLUMNS: Column<Bootenv>[] = [
  { title: 'NAME', value: (bootenv) => bootenv.name, tone: () => 'strong' },
  { title: 'KIND', value: (bootenv) => bootenv.kind },
  { title: 'OS', value: (bootenv) => bootenv.os_family },
  { title: 'ARCHS', value: (bootenv) => listText(bootenv.archs) },
  {
    title: 'AVAILABLE',
    value: (bootenv) => (bootenv.available ? 'yes' : `no: ${bootenv.problems.join('; ')}`),
    tone: (bootenv) => (bootenv.available ? 'active' : 'warn'),
  },
  { title: 'DESCRIPTION', value: (bootenv) => bootenv.description, tone: () => 'dim' },
];

/** `prybar bootenvs`: what a machine can be booted into. */
export function addBootenvs(program: Command, cli: Cli): void {
  const bootenvs = program.command('bootenvs').description('what a machine can be booted into');
  withPaging(bootenvs.command('list').description('every bootenv, and why one is not available')).action((options: ListOptions, command: Command) =>
    cli.run(command, async (session) => {
      const list = await readList(options, (query) => session.client().bootenvs.list(query, { signal: session.signal }));
      printList(session, list, COLUMNS, 'no bootenvs');
    }),
  );
  bootenvs
    .command('preview <bootenv> <node>')
    .description('what the node would be given: every file rendered for it, without tokens and secrets')
    .action((bootenv: string, node: string, _options: unknown, command: Command) =>
      cli.run(command, async (session) => {
        const preview = await session.client().bootenvs.preview(bootenv, { node }, { signal: session.signal });
        session.output.print(preview, ({ files, problems }) =>
          [...problems.map((problem) => `problem: ${problem}`), ...files.map(({ name, text }) => `--- ${name}\n${printableBlock(text)}`)].join('\n'),
        );
      }),
    );
  addLocalBootenvs(bootenvs, cli);
}
