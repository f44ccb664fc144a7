import { readFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import type { Webhook, WebhookWithSecret } from '../answers.js';
import { CliError, ExitCode } from '../failure.js';
import { printList, readList, withPaging, type ListOptions } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { renderFields, type Column } from '../table.js';
import type { Look } from '../terminal/look.js';
import { printableLine } from '../terminal/text-width.js';
import { addWebhookDeliveries } from './webhook-deliveries.js';

type Changes = {
  kind?: string[];
  state?: string[];
  deployment?: string;
  node?: string;
  role?: string;
  secretFile?: string;
  url?: string;
  active?: boolean;
  rotateSecret?: boolean;
};

const LIST = 'prybar webhooks list';
const collect = (value: string, before: string[] = []): string[] => [...before, ...value.split(',')];

function statusText(webhook: Webhook): string {
  if (!webhook.active) return webhook.paused_reason === null ? 'off' : 'paused';
  return webhook.failing_since === null ? 'on' : 'failing';
}

function filterText(webhook: Webhook): string {
  const { deployment, node, role, states } = webhook;
  const about = [deployment && `deployment ${deployment.name}`, node && `node ${node.name}`, role && `role ${role.name}`].filter((word) => word !== null);
  return [...about, ...(states.length === 0 ? [] : [`to ${states.join('/')}`])].join(', ') || '-';
}

const COLUMNS: Column<Webhook>[] = [
  { title: 'NAME', value: (webhook) => webhook.name },
  { title: 'STATUS', value: statusText, tone: (webhook) => (statusText(webhook) === 'on' ? 'active' : statusText(webhook) === 'off' ? 'dim' : 'error') },
  { title: 'KINDS', value: (webhook) => webhook.kinds.join(',') || 'all' },
  { title: 'FILTER', value: filterText },
  { title: 'PENDING', value: (webhook) => String(webhook.deliveries.pending), align: 'right' },
  { title: 'DEAD', value: (webhook) => String(webhook.deliveries.dead), align: 'right', tone: (webhook) => (webhook.deliveries.dead > 0 ? 'error' : 'dim') },
  { title: 'URL', value: (webhook) => webhook.url, tone: () => 'dim' },
];

function webhookText(webhook: WebhookWithSecret, look: Look): string {
  const fields: [string, string][] = [
    ['webhook', `${webhook.name} (${webhook.id})`],
    ['url', printableLine(webhook.url)],
    ['status', webhook.paused_reason === null ? statusText(webhook) : `${statusText(webhook)}: ${webhook.paused_reason}`],
    ['failing since', webhook.failing_since ?? '-'],
    ['kinds', webhook.kinds.join(', ') || 'all'],
    ['filter', filterText(webhook)],
    ['deliveries', `${webhook.deliveries.pending} pending, ${webhook.deliveries.dead} dead`],
  ];
  if (webhook.secret !== undefined) fields.push(['secret', webhook.secret]);
  return renderFields(fields, look);
}

/** The secret from a file (`-` is stdin); undefined: the server makes one. */
function readSecret({ secretFile }: Changes): string | undefined {
  if (secretFile === undefined) return undefined;
  try {
    return readFileSync(secretFile === '-' ? 0 : secretFile, 'utf8').trim();
  } catch (error) {
    throw new CliError({ exitCode: ExitCode.usage, code: 'file-not-readable', detail: `--secret-file: ${secretFile} cannot be read` }, error);
  }
}

/** What the options say, as the API takes it; `-` takes a filter away. */
function changesOf(options: Changes) {
  const about = (key: string | undefined) => (key === '-' ? null : key);
  const secret = readSecret(options);
  return {
    ...(options.kind === undefined ? {} : { kinds: options.kind.filter((kind) => kind !== '' && kind !== 'all') }),
    // The server names the field and what it may be.
    ...(options.state === undefined
      ? {}
      : { states: options.state.filter((state) => state !== '' && state !== 'all').map((state) => state.toUpperCase()) as [] }),
    ...(options.deployment === undefined ? {} : { deployment: about(options.deployment) }),
    ...(options.node === undefined ? {} : { node: about(options.node) }),
    ...(options.role === undefined ? {} : { role: about(options.role) }),
    ...(secret === undefined ? {} : { secret }),
  };
}

function withFilters(command: Command): Command {
  return command
    .option('--kind <kinds>', 'kinds of events, comma separated; may be repeated; default all', collect)
    .option('--state <states>', 'only noderoles that enter these states', collect)
    .option('--deployment <deployment>', 'only what concerns this deployment')
    .option('--node <node>', 'only what concerns this node')
    .option('--role <role>', 'only what concerns this role')
    .option('--secret-file <file>', 'file that holds the secret, - for stdin; default: the server makes one');
}

/** `prybar webhooks`: events sent to URLs. */
export function addWebhooks(program: Command, cli: Cli): void {
  const webhooks = program.command('webhooks').description('events sent to your URLs, signed and retried');
  withPaging(webhooks.command('list').description('the webhooks')).action((options: ListOptions, command: Command) =>
    cli.run(command, async (session) => {
      const { client, signal } = session;
      const list = await readList(options, (query) => client().webhooks.list(query, { signal }));
      printList(session, list, COLUMNS, 'no webhooks; next: prybar webhooks add NAME URL --kind noderole-changed --state ERROR');
    }),
  );
  webhooks
    .command('show')
    .description('one webhook')
    .argument('<webhook>', 'id or name')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => output.print(await client().webhooks.get(key, { signal }), (webhook) => webhookText(webhook, output.look)),
        LIST,
      ),
    );
  withFilters(webhooks.command('add').description('subscribe a URL to what happens from now on; prints the secret, once'))
    .argument('<name>', 'its name')
    .argument('<url>', 'where to send')
    .action((name: string, url: string, options: Changes, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const made = await client().webhooks.create({ name, url, ...changesOf(options) }, { signal });
          output.print(made, (webhook) => webhookText(webhook, output.look));
          output.hint(`keep the secret: it is not shown again; next: prybar webhooks test ${name}`);
        },
        LIST,
      ),
    );
  withFilters(webhooks.command('set').description('change a webhook; `-` takes a filter away, `all` every kind or state'))
    .argument('<webhook>', 'id or name')
    .option('--url <url>', 'where to send')
    .option('--active', 'send again: what comes from now on, and what is pending')
    .option('--no-active', 'send nothing')
    .addOption(new Option('--rotate-secret', 'make a new secret and print it').conflicts('secretFile'))
    .action((key: string, options: Changes, command: Command) => cli.run(command, (session) => change(session, key, options), LIST));
  webhooks
    .command('remove')
    .description('remove a webhook with its deliveries')
    .argument('<webhook>', 'id or name')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          await client().webhooks.remove(key, { signal });
          output.hint(`${key} removed`);
        },
        LIST,
      ),
    );
  addWebhookDeliveries(webhooks, cli);
}

async function change({ client, output, signal }: Session, key: string, options: Changes): Promise<void> {
  const body = {
    ...changesOf(options),
    ...(options.url === undefined ? {} : { url: options.url }),
    ...(options.active === undefined ? {} : { active: options.active }),
    ...(options.rotateSecret === true ? { rotate_secret: true as const } : {}),
  };
  if (Object.keys(body).length === 0)
    throw new CliError({
      exitCode: ExitCode.usage,
      code: 'nothing-to-set',
      detail: 'say what to set: --url, --kind, --state, --node, --active, --rotate-secret ...',
    });
  output.print(await client().webhooks.update(key, body, { signal }), (webhook) => webhookText(webhook, output.look));
}
