import { Option, type Command } from 'commander';
import type { ApiToken } from '../answers.js';
import { printList, readList, withPaging, wholeNumber, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, type Column } from '../table.js';

const LIST = 'prybar tokens list';
const LARGEST_ID = 2_147_483_647;
const SCOPES = ['viewer', 'operator', 'admin'] as const;

const COLUMNS: Column<ApiToken>[] = [
  { title: 'ID', value: (token) => String(token.id), align: 'right', tone: () => 'dim' },
  { title: 'NAME', value: (token) => token.name, tone: () => 'strong' },
  { title: 'SCOPE', value: (token) => token.scope },
  { title: 'MADE', value: (token) => token.created_at, tone: () => 'dim' },
  { title: 'LAST USED', value: (token) => token.last_used_at ?? 'never', tone: () => 'dim' },
  { title: 'REVOKED', value: (token) => token.revoked_at ?? '-', tone: (token) => (token.revoked_at === null ? 'dim' : 'warn') },
];

/** `prybar tokens`: who may ask. */
export function addTokens(program: Command, cli: Cli): void {
  const tokens = program.command('tokens').description('who may ask the API, and for what');
  withPaging(tokens.command('list').description('the tokens, revoked ones too')).action((options: ListOptions, command: Command) =>
    cli.run(command, async (session) => {
      const page = await readList(options, (query) => session.client().tokens.list(query, { signal: session.signal }));
      printList(session, page, COLUMNS, 'no tokens');
    }),
  );
  tokens
    .command('create')
    .description('make a token; it is printed this once')
    .argument('<name>', 'who will use it: the audit names it')
    .addOption(new Option('--scope <scope>', 'what it may do').choices(SCOPES).default('operator'))
    .action((name: string, options: { scope: (typeof SCOPES)[number] }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const made = await client().tokens.create({ name, scope: options.scope }, { signal });
          output.print(made, () =>
            renderFields(
              [
                ['token', made.token],
                ['name', made.name],
                ['scope', made.scope],
              ],
              output.look,
            ),
          );
          output.hint('keep it: it is not shown again; put it into a file and name that with --token-file');
        },
        LIST,
      ),
    );
  tokens
    .command('revoke')
    .description('let nobody in with it any more')
    .argument('<id>', 'as `tokens list` shows it', wholeNumber(1, LARGEST_ID))
    .action((id: number, _options: unknown, command: Command) => cli.run(command, async ({ client, signal }) => client().tokens.revoke(id, { signal }), LIST));
}
