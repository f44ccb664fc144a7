import type { Command } from 'commander';
import { z } from 'zod';
import { runLocal } from '../local-program.js';
import { ExitCode } from '../failure.js';
import type { Cli } from '../session.js';
import { renderTable, type Column } from '../table.js';

const checkedSchema = z.object({
  items: z.array(z.object({ name: z.string(), valid: z.boolean(), available: z.boolean(), archs: z.array(z.string()), problems: z.array(z.string()) })),
});
type Checked = z.infer<typeof checkedSchema>['items'][number];

const importedSchema = z.object({ bootenv: z.string(), files: z.array(z.object({ file: z.string(), bytes: z.number(), path: z.string() })) });

const CHECKED: Column<Checked>[] = [
  { title: 'NAME', value: (item) => item.name, tone: () => 'strong' },
  { title: 'RENDERS', value: (item) => (item.valid ? 'yes' : 'no'), tone: (item) => (item.valid ? 'active' : 'error') },
  { title: 'BOOTS', value: (item) => (item.available ? 'yes' : 'no'), tone: (item) => (item.available ? 'active' : 'warn') },
  { title: 'PROBLEMS', value: (item) => item.problems.join('; ') },
];

type ImportOptions = { iso?: string; url?: string; file?: string; sha256: string; as?: string };

/** `prybar bootenvs check` and `import`: on the machine that serves them. */
export function addLocalBootenvs(bootenvs: Command, cli: Cli): void {
  bootenvs
    .command('check [dir]')
    .description('read and render every bootenv with sample nodes; dir: a folder of your own, or one bootenv (default: all that are served here)')
    .action((dir: string | undefined, _options: unknown, command: Command) =>
      cli.run(command, async (session) => {
        const { answer, good } = await runLocal(session, ['bootenvs-check', ...(dir === undefined ? [] : ['--', dir])], checkedSchema);
        session.output.print(answer, ({ items }) =>
          items.length === 0 ? 'no bootenvs there' : renderTable(CHECKED, items, session.output.look, session.output.width),
        );
        return good ? ExitCode.ok : ExitCode.failed;
      }),
    );
  bootenvs
    .command('import <bootenv>')
    .description('bring the kernel and initrds of a bootenv to their place, from an ISO image or one file at a time')
    .option('--iso <file>', 'an ISO image on this machine')
    .option('--url <url>', 'an ISO image, or with --as one file, from a web server')
    .option('--file <file>', 'with --as: one file on this machine')
    .option('--as <name>', 'the kernel or initrd that the file is, as bootenv.yml names it')
    .requiredOption('--sha256 <sum>', 'SHA-256 of the image or file, as its publisher says')
    .action((bootenv: string, options: ImportOptions, command: Command) =>
      cli.run(command, async (session) => {
        const flags = (['iso', 'url', 'file', 'sha256', 'as'] as const).flatMap((name) => (options[name] === undefined ? [] : [`--${name}=${options[name]}`]));
        const { answer } = await runLocal(session, ['bootenvs-import', ...flags, '--', bootenv], importedSchema);
        session.output.print(answer, ({ files }) => files.map(({ path, bytes }) => `${path} (${bytes} bytes)`).join('\n'));
      }),
    );
}
