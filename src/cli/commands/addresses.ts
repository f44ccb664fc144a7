import { Option, type Command } from 'commander';
import type { Allocation, Lease } from '../answers.js';
import { printList, readList, withPaging, wholeNumber, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, type Column } from '../table.js';
import { printableLine } from '../terminal/text-width.js';

const LARGEST_ID = 2_147_483_647;

const ALLOCATIONS: Column<Allocation>[] = [
  { title: 'ID', value: (allocation) => String(allocation.id), align: 'right', tone: () => 'dim' },
  { title: 'ADDRESS', value: (allocation) => allocation.address, tone: () => 'strong' },
  { title: 'NETWORK', value: (allocation) => allocation.network.name },
  { title: 'MAC', value: (allocation) => allocation.mac ?? '-' },
  { title: 'WHOSE', value: (allocation) => printableLine(allocation.hostname ?? allocation.node?.name ?? '-') },
  { title: 'SERVED', value: (allocation) => (allocation.unmanaged ? 'recorded only' : 'yes'), tone: (allocation) => (allocation.unmanaged ? 'warn' : 'dim') },
];

const LEASES: Column<Lease>[] = [
  { title: 'ADDRESS', value: (lease) => lease.address, tone: () => 'strong' },
  { title: 'NETWORK', value: (lease) => lease.network.name },
  { title: 'MAC', value: (lease) => lease.mac },
  { title: 'WHOSE', value: (lease) => printableLine(lease.node?.name ?? lease.hostname ?? '-') },
  { title: 'STATE', value: (lease) => lease.state, tone: (lease) => (lease.state === 'active' ? 'active' : lease.state === 'declined' ? 'error' : 'dim') },
  { title: 'UNTIL', value: (lease) => lease.expires_at, tone: () => 'dim' },
];

/** `prybar allocations`: addresses that are a machine's own. */
export function addAllocations(program: Command, cli: Cli): void {
  const allocations = program.command('allocations').description('addresses that are a machine’s own, or only recorded');
  withPaging(allocations.command('list').description('the addresses that are given'))
    .option('--network <network>', 'only on this network')
    .option('--node <node>', 'only of this node')
    .option('--unmanaged', 'only those that are recorded and never served')
    .option('--search <text>', 'part of an address, MAC or name')
    .action((options: ListOptions & { network?: string; node?: string; unmanaged?: boolean; search?: string }, command: Command) =>
      cli.run(command, async (session) => {
        const { client, signal } = session;
        const { network, node, unmanaged, search: q } = options;
        const filter = Object.fromEntries(Object.entries({ network, node, unmanaged, q }).filter(([, value]) => value !== undefined));
        const page = await readList(options, (query) => client().allocations.list({ ...query, ...filter }, { signal }));
        printList(session, page, ALLOCATIONS, 'no addresses are given; next: prybar allocations create NETWORK --node NODE');
      }),
    );
  allocations
    .command('create')
    .description('give an address to a node or a host, or record one')
    .argument('<network>', 'id or name')
    .option('--address <address>', 'this one; default: the first free one of the range')
    .option('--range <name>', 'range to take it from; default host')
    .option('--node <node>', 'the node it is for')
    .option('--mac <mac>', 'the MAC that DHCP gives it to; default: the NIC the node booted from')
    .option('--hostname <name>', 'name of a host that is no node: a BMC, a switch')
    .option('--unmanaged', 'record it; nobody is ever given it, and DNS does not know it')
    .action(
      (network: string, options: { address?: string; range?: string; node?: string; mac?: string; hostname?: string; unmanaged?: boolean }, command: Command) =>
        cli.run(
          command,
          async ({ client, output, signal }) => {
            const { address, range, node, mac, hostname, unmanaged } = options;
            const given = Object.fromEntries(Object.entries({ address, range, node, mac, hostname, unmanaged }).filter(([, value]) => value !== undefined));
            output.print(await client().allocations.create({ network, ...given }, { signal }), (made) =>
              renderFields(
                [
                  ['address', `${made.address} on ${made.network.name}`],
                  ['for', printableLine(made.hostname ?? made.node?.name ?? made.mac ?? 'the record')],
                ],
                output.look,
              ),
            );
          },
          'prybar networks list',
        ),
    );
  allocations
    .command('delete')
    .description('take an address back')
    .argument('<id>', 'as `allocations list` shows it', wholeNumber(1, LARGEST_ID))
    .action((id: number, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          await client().allocations.remove(id, { signal });
          output.hint('it may be given to another now');
        },
        'prybar allocations list',
      ),
    );
}

/** `prybar leases`: addresses that machines hold for a while. */
export function addLeases(program: Command, cli: Cli): void {
  const leases = program.command('leases').description('addresses that machines hold for a while');
  withPaging(leases.command('list').description('the leases in the order of their addresses'))
    .option('--network <network>', 'only on this network')
    .addOption(new Option('--state <state>', 'only these').choices(['active', 'declined', 'released', 'expired']))
    .option('--search <text>', 'part of an address, MAC or name')
    .action((options: ListOptions & { network?: string; state?: Lease['state']; search?: string }, command: Command) =>
      cli.run(command, async (session) => {
        const { client, signal } = session;
        const filter = Object.fromEntries(
          Object.entries({ network: options.network, state: options.state, q: options.search }).filter(([, value]) => value !== undefined),
        );
        const page = await readList(options, (query) => client().leases.list({ ...query, ...filter }, { signal }));
        printList(session, page, LEASES, 'no leases; machines get one when they boot by DHCP (prybar networks list shows the pools)');
      }),
    );
  leases
    .command('release')
    .description('end a lease: its address may be given to another at once')
    .argument('<address>', 'the address')
    .action((address: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          await client().leases.release(address, { signal });
          output.hint(`${address} is free; a machine that still uses it learns that when it renews`);
        },
        'prybar leases list',
      ),
    );
}
