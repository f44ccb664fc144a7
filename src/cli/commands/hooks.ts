import type { Command } from 'commander';
import type { HookDelivery } from '../answers.js';
import { CliError, ExitCode } from '../failure.js';
import { printList, readList, withPaging, wholeNumber, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, type Column } from '../table.js';
import { printableLine } from '../terminal/text-width.js';

const LIST = 'prybar hooks list';
const id = wholeNumber(1, Number.MAX_SAFE_INTEGER);

const COLUMNS: Column<HookDelivery>[] = [
  { title: 'ID', value: (delivery) => String(delivery.id), align: 'right', tone: () => 'dim' },
  { title: 'ROLE', value: (delivery) => delivery.role },
  { title: 'HOOK', value: (delivery) => delivery.hook },
  { title: 'SUBJECT', value: (delivery) => `${delivery.subject_type} ${delivery.subject_id}` },
  { title: 'STATUS', value: (delivery) => delivery.status, tone: (delivery) => (delivery.status === 'parked' ? 'error' : 'plain') },
  { title: 'TRIES', value: (delivery) => String(delivery.attempts), align: 'right' },
  { title: 'ERROR', value: (delivery) => delivery.last_error ?? '', tone: () => 'error' },
];

function fieldsOf(delivery: HookDelivery): [string, string][] {
  return [
    ['delivery', String(delivery.id)],
    ['hook', `${delivery.hook} of ${delivery.role}`],
    ['subject', `${delivery.subject_type} ${delivery.subject_id}, version ${delivery.version}`],
    ['changed', delivery.changed.join(', ') || '-'],
    ['status', delivery.status],
    ['tries', String(delivery.attempts)],
    ['next try', delivery.parked_at === null ? delivery.not_before : `never by itself: parked at ${delivery.parked_at}`],
    ['error', printableLine(delivery.last_error ?? '-')],
    ['caused by', `${delivery.cause_depth} hooks in a row`],
    ['data', printableLine(JSON.stringify(delivery.data))],
  ];
}

/** `prybar hooks`: what roles are still to be told, and what was parked. */
export function addHooks(program: Command, cli: Cli): void {
  const hooks = program.command('hooks').description('calls of role hooks that are pending or parked');
  withPaging(hooks.command('list').description('the pending calls, the oldest first'))
    .option('--role <role>', 'of this role')
    .option('--parked', 'only those that wait for you')
    .action((options: ListOptions & { role?: string; parked?: boolean }, command: Command) =>
      cli.run(command, async (session) => {
        const { client, signal } = session;
        const { role, parked } = options;
        const list = await readList(options, (query) =>
          client().hooks.list({ ...query, ...(role === undefined ? {} : { role }), ...(parked === undefined ? {} : { parked }) }, { signal }),
        );
        printList(session, list, COLUMNS, parked === true ? 'nothing is parked' : 'nothing is pending: every role has been told everything');
      }),
    );
  hooks
    .command('show')
    .description('one call')
    .argument('<delivery>', 'its id', id)
    .action((key: number, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) =>
          output.print(await client().hooks.get(key, { signal }), (delivery) => renderFields(fieldsOf(delivery), output.look)),
        LIST,
      ),
    );
  hooks
    .command('replay')
    .description('give parked calls their tries again')
    .argument('[delivery]', 'the id of one', id)
    .option('--role <role>', 'all of this role')
    .option('--all', 'all of every role')
    .action((key: number | undefined, options: { role?: string; all?: boolean }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          if ([key, options.role, options.all].filter((given) => given !== undefined).length !== 1)
            throw new CliError({ exitCode: ExitCode.usage, code: 'usage', detail: 'say which: the id of one, --role ROLE, or --all' });
          const which = { ...(key === undefined ? {} : { delivery: key }), ...(options.role === undefined ? {} : { role: options.role }) };
          output.print(await client().hooks.replay(which, { signal }), ({ replayed }) => `${replayed} ${replayed === 1 ? 'call is' : 'calls are'} tried again`);
        },
        'prybar hooks list --parked',
      ),
    );
  hooks
    .command('drop')
    .description('forget a parked call: its role is never told of it')
    .argument('<delivery>', 'its id', id)
    .action((key: number, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          await client().hooks.drop(key, { signal });
          output.hint(`delivery ${key} dropped`);
        },
        'prybar hooks list --parked',
      ),
    );
}
