import { InvalidArgumentError, type Command } from 'commander';
import type { Caps } from '../answers.js';
import type { Cli, Session } from '../session.js';
import { renderTable, type Column } from '../table.js';

const COLUMNS: Column<Caps['items'][number]>[] = [
  { title: 'CAP', value: (cap) => cap.name, tone: () => 'strong' },
  { title: 'MAX', value: (cap) => String(cap.max), align: 'right' },
  { title: 'USED', value: (cap) => String(cap.used), align: 'right', tone: (cap) => (cap.used >= cap.max ? 'warn' : 'dim') },
];

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 1_000_000) throw new InvalidArgumentError('a number from 0 to 1000000');
  return value;
}

/** `prybar caps`: how many runs may be under way at once. */
export function addCaps(program: Command, cli: Cli): void {
  const caps = program.command('caps').description('how many runs may be under way at once');
  const print = (command: Command, read: (session: Session) => Promise<Caps>) =>
    cli.run(command, async (session) => {
      session.output.print(await read(session), (answer) =>
        answer.items.length === 0 ? 'no caps are set' : renderTable(COLUMNS, answer.items, session.output.look, session.output.width),
      );
    });
  caps
    .command('list')
    .description('the caps that are set, and how much of each is used')
    .action((_options: unknown, command: Command) => print(command, ({ client, signal }) => client().caps.list({ signal })));
  caps
    .command('set')
    .description('set a cap')
    .argument('<name>', 'total, fast, ssh, power, image, or deployment:<name>')
    .argument('<max>', 'runs at once; 0 holds everything back', count)
    .action((name: string, max: number, _options: unknown, command: Command) =>
      print(command, ({ client, signal }) => client().caps.set(name, max, { signal })),
    );
  caps
    .command('remove')
    .description('take a cap away')
    .argument('<name>', 'as `caps list` shows it')
    .action((name: string, _options: unknown, command: Command) => print(command, ({ client, signal }) => client().caps.set(name, null, { signal })));
}
