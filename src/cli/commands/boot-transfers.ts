import { Option, type Command } from 'commander';
import type { BootTransfer } from '../answers.js';
import { pause } from '../board/until.js';
import { oneOf, printList, readList, withPaging, type ListOptions } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { renderTable, type Column } from '../table.js';
import { agoText } from '../terminal/words.js';

const STATES = ['running', 'done', 'timeout', 'aborted', 'failed', 'lost'] as const;
const PROTOCOLS = ['tftp', 'http'] as const;
const WATCH_MS = 1_000;

type Options = ListOptions & {
  node?: string;
  state?: (typeof STATES)[number];
  protocol?: (typeof PROTOCOLS)[number];
  search?: string;
  watch?: boolean;
};

type Shown = BootTransfer & { now: number };

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
const isBad = (state: BootTransfer['state']) => state !== 'running' && state !== 'done';

const COLUMNS: Column<Shown>[] = [
  { title: 'MACHINE', value: ({ node, mac, address }) => node?.name ?? mac ?? address, tone: () => 'strong' },
  { title: 'BY', value: ({ protocol }) => protocol },
  { title: 'FILE', value: ({ file }) => file },
  { title: 'MB', value: ({ bytes, size_bytes }) => `${megabytes(bytes)} of ${megabytes(size_bytes)}`, align: 'right' },
  { title: 'MB/S', value: ({ bytes_per_second }) => megabytes(bytes_per_second), align: 'right' },
  { title: 'AGAIN', value: ({ retransmits }) => String(retransmits), align: 'right' },
  { title: 'STATE', value: ({ state, reason }) => (reason === '' ? state : `${state}: ${reason}`), tone: ({ state }) => (isBad(state) ? 'error' : 'plain') },
  { title: 'STARTED', value: ({ started_at, now }) => agoText(started_at, now) },
];

/** `prybar boot transfers`: files on their way to machines. */
export function addBootTransfers(boot: Command, cli: Cli): void {
  withPaging(boot.command('transfers').description('files on their way to machines by TFTP and HTTP, and those of the last hour'))
    .option('--node <node>', 'of this node: id or name')
    .addOption(new Option('--state <state>', STATES.join(', ')).argParser(oneOf(STATES)))
    .addOption(new Option('--protocol <protocol>', PROTOCOLS.join(', ')).argParser(oneOf(PROTOCOLS)))
    .option('--search <text>', "with this in the file's name")
    .option('--watch', 'show those that run, each second anew, until Ctrl-C')
    .action((options: Options, command: Command) => cli.run(command, (session) => (options.watch === true ? watch(session, options) : list(session, options))));
}

const filters = ({ node, state, protocol, search }: Options) => ({ node, state, protocol, q: search });

async function list(session: Session, options: Options): Promise<void> {
  const { client, signal, output } = session;
  const found = await readList(options, (query) => client().boot.transfers({ ...filters(options), ...query }, { signal }));
  if (output.json) return output.print(found, () => '');
  const now = session.now();
  printList(session, { ...found, items: found.items.map((item) => ({ ...item, now })) }, COLUMNS, 'no machine fetched a file within the last hour');
}

/** What runs, each second anew; with --json a transfer is a line. */
async function watch(session: Session, options: Options): Promise<void> {
  const { client, signal, output } = session;
  const query = { limit: options.limit ?? 50, ...filters(options), state: options.state ?? ('running' as const) };
  output.hint('waiting for transfers; Ctrl-C ends');
  while (!signal.aborted) {
    const { items } = await client().boot.transfers(query, { signal });
    const now = session.now();
    if (output.json) for (const item of items) output.printOne(item, () => '');
    else if (items.length > 0)
      output.printOne(items, () =>
        renderTable(
          COLUMNS,
          items.map((item) => ({ ...item, now })),
          output.look,
          output.width,
        ),
      );
    await pause(WATCH_MS, signal);
  }
}
