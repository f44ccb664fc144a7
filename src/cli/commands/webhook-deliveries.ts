import { Option, type Command } from 'commander';
import type { WebhookDelivery } from '../answers.js';
import { pause } from '../board/until.js';
import { CliError, ExitCode } from '../failure.js';
import { oneOf, printList, readList, wholeNumber, withPaging, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, type Column } from '../table.js';
import type { Look } from '../terminal/look.js';
import { printableBlock, printableLine } from '../terminal/text-width.js';

const STATUSES = ['pending', 'delivered', 'dead'] as const satisfies readonly WebhookDelivery['status'][];
const LIST = 'prybar webhooks list';
/** An attempt takes ten seconds at most; a busy server begins it a little later. */
const TEST_WAIT_MS = 15_000;
const LOOK_MS = 250;

/** What the last attempt came to. */
function outcomeText(delivery: WebhookDelivery): string {
  const last = delivery.log.at(-1);
  if (last === undefined) return '-';
  return last.error ?? `${last.status} in ${last.ms} ms`;
}

const COLUMNS: Column<WebhookDelivery>[] = [
  { title: 'ID', value: (delivery) => String(delivery.id), align: 'right', tone: () => 'dim' },
  { title: 'KIND', value: (delivery) => delivery.kind },
  { title: 'SUBJECT', value: (delivery) => `${delivery.subject_type} ${delivery.subject_id}` },
  {
    title: 'STATUS',
    value: (delivery) => delivery.status,
    tone: (delivery) => (delivery.status === 'dead' ? 'error' : delivery.status === 'delivered' ? 'active' : 'warn'),
  },
  { title: 'TRIES', value: (delivery) => String(delivery.attempts), align: 'right' },
  { title: 'LAST', value: outcomeText },
  { title: 'NEXT TRY', value: (delivery) => delivery.next_at ?? '-', tone: () => 'dim' },
];

function deliveryText(delivery: WebhookDelivery, look: Look): string {
  return renderFields(
    [
      ['delivery', `${delivery.id} (${delivery.uid})`],
      ['event', `${delivery.kind} ${delivery.subject_type} ${delivery.subject_id} version ${delivery.version}`],
      ['status', delivery.status],
      ['next try', delivery.next_at ?? '-'],
      ...delivery.log.map((attempt, index): [string, string] => [
        `attempt ${index + 1}`,
        printableBlock(
          `${attempt.at}: ${attempt.status ?? 'no answer'} in ${attempt.ms} ms${attempt.error === null ? '' : `, ${attempt.error}`}${attempt.response === '' ? '' : `\n${attempt.response}`}`,
        ),
      ]),
      ...(delivery.body === undefined ? [] : [['body', printableLine(JSON.stringify(delivery.body))] as [string, string]]),
    ],
    look,
  );
}

/** `prybar webhooks test|deliveries|replay`. */
export function addWebhookDeliveries(webhooks: Command, cli: Cli): void {
  webhooks
    .command('test')
    .description('send a test event to it and wait for what it says; the exit code tells')
    .argument('<webhook>', 'id or name')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal, now }) => {
          let delivery = await client().webhooks.test(key, { signal });
          const until = now() + TEST_WAIT_MS;
          while (delivery.log.length === 0 && now() < until && !signal.aborted) {
            await pause(LOOK_MS, signal);
            delivery = await client().webhooks.delivery(key, delivery.id, { signal });
          }
          output.print(delivery, (seen) => deliveryText(seen, output.look));
          if (delivery.log.length === 0) output.hint('not sent yet: does the hooks process run?');
          return delivery.status === 'delivered' ? ExitCode.ok : ExitCode.failed;
        },
        LIST,
      ),
    );
  withPaging(webhooks.command('deliveries').description('what was sent and what came back, the newest first; with --id one of them in full'))
    .argument('<webhook>', 'id or name')
    .addOption(new Option('--status <status>', 'in this status').argParser(oneOf(STATUSES)))
    .addOption(new Option('--id <delivery>', 'this one, with its body and every attempt').argParser(wholeNumber(1, Number.MAX_SAFE_INTEGER)))
    .action((key: string, options: ListOptions & { status?: WebhookDelivery['status']; id?: number }, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal } = session;
          if (options.id !== undefined)
            return output.print(await client().webhooks.delivery(key, options.id, { signal }), (delivery) => deliveryText(delivery, output.look));
          const { status } = options;
          const list = await readList(options, (query) =>
            client().webhooks.deliveries(key, { ...query, ...(status === undefined ? {} : { status }) }, { signal }),
          );
          printList(session, list, COLUMNS, 'no deliveries');
        },
        LIST,
      ),
    );
  webhooks
    .command('replay')
    .description('send again what is dead: one delivery, or all with --all')
    .argument('<webhook>', 'id or name')
    .addOption(new Option('--id <delivery>', 'this one, also when it was delivered').argParser(wholeNumber(1, Number.MAX_SAFE_INTEGER)))
    .option('--all', 'every dead one')
    .action((key: string, options: { id?: number; all?: boolean }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          if ((options.id === undefined) === (options.all === undefined))
            throw new CliError({ exitCode: ExitCode.usage, code: 'usage', detail: 'say which: --id DELIVERY, or --all for every dead one' });
          const done = await client().webhooks.replay(key, options.id === undefined ? {} : { delivery: options.id }, { signal });
          output.print(done, ({ replayed }) => `${replayed} ${replayed === 1 ? 'delivery is' : 'deliveries are'} sent again`);
        },
        `prybar webhooks deliveries ${key}`,
      ),
    );
}
