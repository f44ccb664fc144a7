import { InvalidArgumentError, type Command } from 'commander';
import type { Network } from '../answers.js';
import { readJsonObject } from '../json-argument.js';
import { printList, readList, withPaging, wholeNumber, type ListOptions } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { renderFields, renderTable, type Column } from '../table.js';
import { printableLine } from '../terminal/text-width.js';

const LIST = 'prybar networks list';

type Range = { name: string; first: string; last: string };
type Router = { address: string; pref?: number };
type Settings = {
  category?: string;
  description?: string;
  range?: Range[];
  router?: Router[];
  dns?: string[];
  domain?: string;
  suffix?: string;
  nameTemplate?: string;
  deployment?: string;
  group?: string;
  vlan?: number;
  conduit?: string;
  teamMode?: number;
  bridge?: boolean;
  configure?: boolean;
  dhcpMode?: string;
  leaseSeconds?: number;
  subnet?: string;
  rename?: string;
  data?: string;
};
type NetworkPatch = Parameters<ReturnType<Session['client']>['networks']['update']>[1];

function readRange(text: string, before: Range[] = []): Range[] {
  const [, name, first, last] = /^([^=]+)=([\d.]+)-([\d.]+)$/.exec(text) ?? [];
  if (name === undefined || first === undefined || last === undefined)
    throw new InvalidArgumentError('It must be <name>=<first>-<last>, for example dhcp=10.0.0.100-10.0.0.199.');
  return [...before, { name, first, last }];
}

function readRouter(text: string, before: Router[] = []): Router[] {
  const [, address, pref] = /^([\d.]+)(?:=(\d+))?$/.exec(text) ?? [];
  if (address === undefined) throw new InvalidArgumentError('It must be <address> or <address>=<preference>, for example 10.0.0.1=10.');
  return [...before, { address, ...(pref === undefined ? {} : { pref: Number(pref) }) }];
}

const list = (text: string): string[] => text.split(',').filter((word) => word !== '');
/** `-` takes a setting away. */
const orNone = (text: string): string | null => (text === '-' ? null : text);

function withSettings(command: Command): Command {
  return command
    .option('--category <word>', 'admin: machines boot here; bmc: of BMCs; any other word')
    .option('--description <text>', 'for people')
    .option('--range <name=first-last>', 'addresses; dhcp is the pool, from host nodes get theirs; repeat it: all ranges are replaced', readRange)
    .option('--router <address[=pref]>', 'the lowest preference is given by DHCP; repeat it: all routers are replaced', readRouter)
    .option('--dns <addresses>', 'name servers that DHCP gives, comma separated', list)
    .option('--domain <name>', 'domain of its hosts')
    .option('--suffix <word>', 'a node is called <name>-<word> here; - for none')
    .option('--name-template <template>', 'names of nodes discovered here: ctrl{n}; - for none')
    .option('--deployment <deployment>', 'its nodes alone get addresses here; - for every node')
    .option('--group <word>', 'a node has the same host part on networks of one group')
    .option('--vlan <id>', 'tag, 1 to 4094', wholeNumber(1, 4094))
    .option('--conduit <ports>', 'ports that carry it: 1g0 or 10g0,10g1 or eth1; - for none')
    .option('--team-mode <n>', 'bonding mode of several ports', wholeNumber(0, 6))
    .option('--bridge', 'hosts make a bridge of it')
    .option('--no-configure', 'nodes get no address by themselves')
    .option('--dhcp-mode <mode>', 'authoritative, reservations, proxy or off')
    .option('--lease-seconds <n>', 'how long a lease lasts', wholeNumber(60, 31_536_000))
    .option('--data <json>', 'any field of the API, as JSON, @FILE or - for stdin: {"options": {"ntp-servers": ["10.0.0.1"]}}');
}

function bodyOf(options: Settings, cwd: string): NetworkPatch {
  const { range, router, dns, domain, category, description, group, vlan, bridge, configure } = options;
  const given = {
    category,
    description,
    ranges: range,
    routers: router,
    dns,
    domain,
    group,
    vlan,
    bridge,
    // commander sets the option that `--no-` belongs to, when nobody said it.
    configure: configure === false ? false : undefined,
    subnet: options.subnet,
    name: options.rename,
    suffix: options.suffix === undefined ? undefined : orNone(options.suffix),
    name_template: options.nameTemplate === undefined ? undefined : orNone(options.nameTemplate),
    deployment: options.deployment === undefined ? undefined : orNone(options.deployment),
    conduit: options.conduit === undefined ? undefined : orNone(options.conduit),
    team_mode: options.teamMode,
    dhcp_mode: options.dhcpMode,
    lease_seconds: options.leaseSeconds,
  };
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  // The server names what it does not know.
  return { ...said, ...(options.data === undefined ? {} : readJsonObject(options.data, '--data', cwd)) };
}

/** How full the fullest range is, in percent. */
function fill(network: Network): number {
  return Math.max(0, ...network.ranges.map((range) => (range.size === 0 ? 0 : Math.round((100 * (range.allocated + range.leased)) / range.size))));
}

const COLUMNS: Column<Network>[] = [
  { title: 'NAME', value: (network) => network.name, tone: () => 'strong' },
  { title: 'CATEGORY', value: (network) => network.category },
  { title: 'SUBNET', value: (network) => network.subnet },
  { title: 'VLAN', value: (network) => String(network.vlan ?? '-'), align: 'right' },
  { title: 'DHCP', value: (network) => network.dhcp_mode },
  { title: 'ROUTER', value: (network) => network.routers[0]?.address ?? '-' },
  { title: 'DOMAIN', value: (network) => network.domain },
  { title: 'OWN', value: (network) => String(network.allocations), align: 'right' },
  { title: 'LEASED', value: (network) => String(network.leases), align: 'right' },
  { title: 'FULL', value: (network) => `${fill(network)} %`, align: 'right', tone: (network) => (fill(network) >= 90 ? 'error' : 'dim') },
];

const RANGE_COLUMNS: Column<Network['ranges'][number]>[] = [
  { title: 'RANGE', value: (range) => range.name },
  { title: 'FIRST', value: (range) => range.first },
  { title: 'LAST', value: (range) => range.last },
  { title: 'SIZE', value: (range) => String(range.size), align: 'right' },
  { title: 'OWN', value: (range) => String(range.allocated), align: 'right' },
  { title: 'LEASED', value: (range) => String(range.leased), align: 'right' },
];

function show({ output }: Session, network: Network): void {
  output.print(network, () => {
    const fields: [string, string][] = [
      ['network', `${network.name} (${network.id}), ${network.category}`],
      ['description', printableLine(network.description) || '-'],
      ['subnet', network.subnet],
      ['routers', network.routers.map((router) => `${router.address} (${router.pref})`).join(', ') || '-'],
      ['name servers', network.dns.join(', ') || '-'],
      ['domain', `${network.domain}${network.suffix === null ? '' : `, names end in -${network.suffix}`}`],
      ['deployment', network.deployment?.name ?? 'every node'],
      [
        'ports',
        `${network.conduit ?? '-'}${network.vlan === null ? '' : `, VLAN ${network.vlan}`}${network.team_mode === null ? '' : `, team mode ${network.team_mode}`}`,
      ],
      ['dhcp', `${network.dhcp_mode}, leases of ${network.lease_seconds} s`],
      ['options', Object.keys(network.options).map(printableLine).join(', ') || '-'],
      ['relays', network.relays.join(', ') || 'any of the subnet'],
    ];
    const ranges = network.ranges.length === 0 ? 'no ranges: no address is given out' : renderTable(RANGE_COLUMNS, network.ranges, output.look, output.width);
    return `${renderFields(fields, output.look)}\n${ranges}`;
  });
}

/** `prybar networks`: where machines live. */
export function addNetworks(program: Command, cli: Cli): void {
  const networks = program.command('networks').description('where machines live: addresses, routers, VLAN, what DHCP and DNS do there');
  withPaging(networks.command('list').description('the networks, and how full they are'))
    .option('--category <word>', 'only of this category')
    .option('--search <text>', 'part of a name, block or description')
    .action((options: ListOptions & { category?: string; search?: string }, command: Command) =>
      cli.run(command, async (session) => {
        const { client, signal } = session;
        const filter = {
          ...(options.category === undefined ? {} : { category: options.category }),
          ...(options.search === undefined ? {} : { q: options.search }),
        };
        const page = await readList(options, (query) => client().networks.list({ ...query, ...filter }, { signal }));
        printList(session, page, COLUMNS, 'no networks; next: prybar networks create NAME 10.0.0.0/24 --range dhcp=10.0.0.100-10.0.0.199');
      }),
    );
  networks
    .command('show')
    .description('one network with its ranges')
    .argument('<network>', 'id or name')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(command, async (session) => show(session, await session.client().networks.get(key, { signal: session.signal })), LIST),
    );
  withSettings(networks.command('create').description('make a network'))
    .argument('<name>', 'its name')
    .argument('<subnet>', 'its block, for example 10.0.0.0/24')
    .action((name: string, subnet: string, options: Settings, command: Command) =>
      cli.run(
        command,
        async (session) => show(session, await session.client().networks.create({ ...bodyOf(options, session.cwd), name, subnet }, { signal: session.signal })),
        LIST,
      ),
    );
  withSettings(networks.command('set').description('change a network; ranges and routers are replaced as a whole'))
    .argument('<network>', 'id or name')
    .option('--subnet <block>', 'another block')
    .option('--rename <name>', 'another name')
    .action((key: string, options: Settings, command: Command) =>
      cli.run(
        command,
        async (session) => show(session, await session.client().networks.update(key, bodyOf(options, session.cwd), { signal: session.signal })),
        LIST,
      ),
    );
  networks
    .command('delete')
    .description('delete a network that nothing stands on')
    .argument('<network>', 'id or name')
    .option('--force', 'its allocations and leases go with it')
    .action((key: string, options: { force?: boolean }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          await client().networks.remove(key, { force: options.force === true }, { signal });
          output.hint(`${key} deleted`);
        },
        LIST,
      ),
    );
}
