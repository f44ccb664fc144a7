import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import type { Barclamp, BarclampImportResult } from '../answers.js';
import { CliError, ExitCode } from '../failure.js';
import { printList, readList, withPaging, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, type Column } from '../table.js';
import { listText } from '../terminal/words.js';

const FILE = 'barclamp.yml';

const COLUMNS: Column<Barclamp>[] = [
  { title: 'NAME', value: (barclamp) => barclamp.name, tone: () => 'strong' },
  { title: 'VERSION', value: (barclamp) => barclamp.version },
  { title: 'SOURCE', value: (barclamp) => barclamp.source },
  { title: 'ROLES', value: (barclamp) => listText(barclamp.roles) },
  { title: 'DESCRIPTION', value: (barclamp) => barclamp.description, tone: () => 'dim' },
];

type ImportFlags = { allowDangling?: boolean; keepMissing?: boolean };

/** `prybar barclamps`: the files that define roles. */
export function addBarclamps(program: Command, cli: Cli): void {
  const barclamps = program.command('barclamps').description('the files that define roles');
  withPaging(barclamps.command('list').description('every barclamp')).action((options: ListOptions, command: Command) =>
    cli.run(command, async (session) => {
      const list = await readList(options, (query) => session.client().barclamps.list(query, { signal: session.signal }));
      printList(session, list, COLUMNS, 'no barclamps; import one: prybar barclamps import FILE');
    }),
  );
  barclamps
    .command('show')
    .description('one barclamp: where it comes from, its roles; --yaml: its file, to change and import again')
    .argument('<barclamp>', 'name')
    .option('--yaml', 'print its barclamp.yml')
    .action((name: string, options: { yaml?: boolean }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const barclamp = await client().barclamps.get(name, { signal });
          output.print(barclamp, () => (options.yaml === true ? barclamp.yaml.trimEnd() : renderFields(fieldsOf(barclamp), output.look)));
        },
        'prybar barclamps list',
      ),
    );
  barclamps
    .command('import')
    .description('import a file, or a directory that holds barclamp.yml or a folder with one for each barclamp')
    .argument('<path>', 'a file, a directory, or - for stdin')
    .option('--allow-dangling', 'warn about requirements on roles that do not exist yet, instead of refusing')
    .option('--keep-missing', 'leave roles as they are that the barclamp does not name any more')
    .action((where: string, flags: ImportFlags, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal, cwd }) => {
          const files = readFiles(where, cwd);
          const options = { ...(flags.allowDangling === true ? { allow_dangling: true } : {}), ...(flags.keepMissing === true ? { keep_missing: true } : {}) };
          const result = await client().barclamps.import({ files, ...options }, { signal });
          output.print(result, importText);
          for (const warning of result.warnings) output.hint(`warning: ${warning}`);
        },
        'prybar roles list',
      ),
    );
  barclamps
    .command('remove')
    .description('take a barclamp and its roles away; nothing may be bound to them')
    .argument('<barclamp>', 'name')
    .action((name: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          await client().barclamps.remove(name, { signal });
          output.hint(`${name} removed`);
        },
        `prybar barclamps show ${name}`,
      ),
    );
}

function fieldsOf(barclamp: Barclamp): [string, string][] {
  return [
    ['name', barclamp.name],
    ['description', barclamp.description],
    ['version', barclamp.version],
    ['source', barclamp.source],
    ['imported', barclamp.imported_at],
    ['roles', listText(barclamp.roles)],
    ...(barclamp.retired.length === 0 ? [] : ([['retired', listText(barclamp.retired)]] as [string, string][])),
  ];
}

const WORDS = { created: 'new', changed: 'changed', unchanged: 'unchanged', removed: 'removed', retired: 'retired, because they are bound' } as const;

function importText(result: BarclampImportResult): string {
  const parts = (Object.keys(WORDS) as (keyof typeof WORDS)[])
    .filter((key) => result[key].length > 0)
    .map((key) => `  ${WORDS[key]}: ${listText(result[key])}`);
  return [`${listText(result.barclamps)} imported`, ...parts].join('\n');
}

/** The texts to import, by the name that errors shall give them. Throws CliError (usage). */
function readFiles(where: string, cwd: string): { file: string; yaml: string }[] {
  const target = where === '-' ? 0 : path.resolve(cwd, where);
  try {
    if (target === 0) return [{ file: 'stdin', yaml: readFileSync(0, 'utf8') }];
    if (!statSync(target).isDirectory()) return [{ file: path.basename(target), yaml: readFileSync(target, 'utf8') }];
    const folders = existsSync(path.join(target, FILE)) ? [''] : readdirSync(target).sort();
    const files = folders.map((folder) => path.join(folder, FILE)).filter((file) => existsSync(path.join(target, file)));
    if (files.length > 0) return files.map((file) => ({ file: path.join(path.basename(target), file), yaml: readFileSync(path.join(target, file), 'utf8') }));
  } catch (error) {
    throw new CliError(
      { exitCode: ExitCode.usage, code: 'file-not-readable', detail: `<path>: ${where === '-' ? 'stdin' : String(target)} cannot be read` },
      error,
    );
  }
  throw new CliError({
    exitCode: ExitCode.usage,
    code: 'no-barclamp',
    detail: `<path>: ${String(target)} holds no ${FILE}, nor does a folder in it`,
    next: `put each barclamp into a folder of its own: ${path.join(where, 'NAME', FILE)}`,
  });
}
