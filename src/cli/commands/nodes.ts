import { Argument, Option, type Command } from 'commander';
import type { Node, NodeRole, NodeRoleState } from '../answers.js';
import { oneOf, printList, readList, wholeNumber, withPaging, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, renderTable, type Column } from '../table.js';
import type { Look } from '../terminal/look.js';
import { shareText, STATES, stateCountsText, stateTone } from '../terminal/states.js';
import { printableLine } from '../terminal/text-width.js';
import { agoText } from '../terminal/words.js';
import { addBmc } from './bmc.js';
import { addNodeChanges } from './node-changes.js';
import { addRedeploy } from './redeploy.js';
import { addNodeMoves } from './node-moves.js';

type NodeListOptions = ListOptions & {
  deployment?: string;
  alive?: boolean;
  available?: boolean;
  bootenv?: string;
  phase?: string;
  state?: NodeRoleState;
  search?: string;
};

const LOOK_FOR_NODES = 'prybar nodes list';

function bootText(node: Node): string {
  const { desired, served, observed } = node;
  const running = observed.bootenv === null || observed.bootenv === desired.bootenv ? '' : `, runs ${observed.bootenv}`;
  return `${desired.bootenv}${served.served && served.generation >= desired.generation ? '' : ' (not served yet)'}${running}`;
}

const COLUMNS: Column<Node>[] = [
  {
    title: 'NAME',
    value: (node) => node.name,
    tone: (node) => (node.noderoles.ERROR > 0 ? 'error' : 'strong'),
  },
  { title: 'DEPLOYMENT', value: (node) => node.deployment.name },
  {
    title: 'ALIVE',
    value: (node) => (node.alive ? 'yes' : 'no'),
    tone: (node) => (node.alive ? 'active' : 'dim'),
  },
  {
    title: 'PHASE',
    value: (node) => `${node.observed.phase} ${node.observed.phase_detail}`.trim(),
  },
  { title: 'BOOTENV', value: bootText },
  {
    title: 'NODEROLES',
    value: (node) => shareText(node.noderoles),
    tone: (node) => (node.noderoles.ERROR > 0 ? 'error' : 'plain'),
  },
  { title: 'ADDRESS', value: (node) => node.observed.address ?? '-', tone: () => 'dim' },
];

function nodeFields(node: Node, now: number, look: Look): [string, string][] {
  const { desired, served, observed, bmc } = node;
  const text = (value: string | null): string => printableLine(value ?? '') || '-';
  return [
    ['name', node.name],
    ['id', String(node.id)],
    ['description', text(node.description)],
    ['deployment', node.deployment.name],
    ['kind', node.kind],
    ['alive', `${node.alive ? look.paint('active', 'yes') : look.paint('warn', 'no')}, heartbeat ${agoText(observed.heartbeat_at, now)}`],
    ['available', node.available ? 'yes' : 'no'],
    ['hardware', `${node.arch}, serial ${text(node.serial)}, uuid ${text(node.uuid)}`],
    ['desired', `${desired.bootenv}, generation ${desired.generation} (${printableLine(desired.reason)})`],
    ['served', `${served.bootenv ?? '-'}, generation ${served.generation}, ${served.served ? 'by every boot server' : 'not by every boot server yet'}`],
    ['observed', `${observed.bootenv ?? '-'} (${observed.class ?? 'no system'}), address ${text(observed.address)}`],
    ['phase', `${text(observed.phase)} ${printableLine(observed.phase_detail)}, ${agoText(observed.phase_at, now)}`],
    ['nics', node.nics.map((nic) => `${nic.mac} ${printableLine(nic.name)}${nic.boot ? ' (boots)' : ''}`).join('\n') || '-'],
    [
      'bmc',
      bmc === null
        ? `none; set one: prybar nodes bmc ${node.name} --driver ipmi --address ADDRESS`
        : `${bmc.driver} ${bmc.address}:${bmc.port}, power ${bmc.power}${bmc.last_error === null ? '' : `, last error: ${printableLine(bmc.last_error)}`}`,
    ],
    ['noderoles', stateCountsText(node.noderoles, look)],
  ];
}

const NODE_ROLE_COLUMNS: Column<NodeRole>[] = [
  { title: 'ROLE', value: (noderole) => noderole.role.name },
  {
    title: 'STATE',
    value: (noderole) => noderole.state,
    tone: (noderole) => stateTone(noderole.state),
  },
  { title: 'DEPLOYMENT', value: (noderole) => noderole.deployment.name },
  { title: 'ERROR', value: (noderole) => noderole.error?.message ?? '', tone: () => 'error' },
];

function addList(nodes: Command, cli: Cli): void {
  withPaging(nodes.command('list').description('the nodes, by name'))
    .option('--deployment <name>', 'of this deployment')
    .option('--alive', 'that are alive')
    .option('--no-alive', 'that are not alive')
    .option('--available', 'that may be worked on')
    .option('--no-available', 'that are set aside')
    .option('--bootenv <name>', 'that shall boot this')
    .option('--phase <phase>', 'whose boot has come to this phase (dhcp, tftp, ipxe, kernel, agent, installing ...)')
    .addOption(new Option('--state <state>', 'that have a noderole in this state').argParser(oneOf(STATES)))
    .option('--search <text>', 'with this in the name, a MAC, the serial number or the address')
    .action((options: NodeListOptions, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { deployment, alive, available, bootenv, phase, state, search } = options;
          const filters = { deployment, alive, available, bootenv, phase, state, q: search };
          const list = await readList(options, (query) => session.client().nodes.list({ ...filters, ...query }, { signal: session.signal }));
          printList(session, list, COLUMNS, 'no nodes; machines appear by themselves when they boot from the network');
        },
        'prybar deployments list',
      ),
    );
}

/** `prybar nodes`: the machines. */
export function addNodes(program: Command, cli: Cli): void {
  const nodes = program.command('nodes').description('the machines: look, switch their power, forget them');
  addList(nodes, cli);
  nodes
    .command('show')
    .description('one node: boot records, NICs, BMC, noderoles')
    .argument('<node>', 'id or name')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal, now }) => {
          const node = await client().nodes.get(key, { signal });
          const deletion = output.json ? null : await client().nodes.deletion(key, { signal });
          // With --json the answer is one request's; people also want to see the noderoles.
          const noderoles = output.json ? [] : (await client().nodeRoles.list({ node: key, limit: 1000 }, { signal })).items;
          output.print(node, () => {
            const deleting: [string, string][] =
              deletion === null || deletion.finalizers.length === 0
                ? []
                : [['deleting', deletion.waits_for.map((text) => `waits for ${printableLine(text)}`).join('\n') || 'goes at once']];
            const fields = renderFields([...nodeFields(node, now(), output.look), ...deleting], output.look);
            return noderoles.length === 0 ? fields : `${fields}\n\n${renderTable(NODE_ROLE_COLUMNS, noderoles, output.look, output.width)}`;
          });
        },
        LOOK_FOR_NODES,
      ),
    );
  nodes
    .command('power')
    .description('switch the power, and wait until the BMC agrees')
    .argument('<node>', 'id or name')
    .addArgument(new Argument('<action>', 'on, off or cycle').choices(['on', 'off', 'cycle']))
    .addOption(new Option('--boot <from>', 'what to boot from next').choices(['pxe', 'disk']))
    .action((key: string, action: 'on' | 'off' | 'cycle', options: { boot?: 'pxe' | 'disk' }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          output.print(
            await client().nodes.power(key, { action, next_boot: options.boot }, { signal }),
            (node) => `${node.name}: power is ${node.bmc?.power ?? 'unknown'}`,
          );
        },
        `prybar nodes show ${key}`,
      ),
    );
  addBmc(nodes, cli);
  addNodeChanges(nodes, cli);
  addRedeploy(nodes, cli, {
    noun: 'node',
    argument: 'id or name',
    what: 'a machine',
    act: ({ client, signal }, key, force) => client().nodes.redeploy(key, { force }, { signal }),
    next: LOOK_FOR_NODES,
  });
  addNodeMoves(nodes, cli);
  nodes
    .command('delete')
    .description('forget nodes; one that boots again is found again')
    .argument('<nodes...>', 'ids or names')
    .option('--cascade', 'propose what depends on them elsewhere; without it that is refused')
    .addOption(new Option('--force <subsystem...>', 'do not wait for these').choices(['runs', 'dhcp', 'dns', 'boot-files', 'bmc']))
    .action((keys: string[], options: { cascade?: boolean; force?: string[] }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          for (const key of keys) {
            await client().nodes.remove(key, { cascade: options.cascade === true, force: options.force?.join(',') }, { signal });
            output.hint(`${key} is being deleted; what that waits for: prybar nodes show ${key}`);
          }
        },
        LOOK_FOR_NODES,
      ),
    );
  nodes
    .command('timeline')
    .description('what happened to a node: boot steps, runs, installations')
    .argument('<node>', 'id or name')
    .addOption(new Option('--limit <n>', 'newest lines at most').argParser(wholeNumber(1, 1000)).default(200))
    .action((key: string, options: { limit: number }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          output.print(await client().nodes.timeline(key, { limit: options.limit }, { signal }), (timeline) =>
            renderTable(
              [
                { title: 'TIME', value: (item) => item.at, tone: () => 'dim' },
                { title: 'WHAT', value: (item) => `${item.source} ${item.kind}` },
                { title: '', value: (item) => item.text },
              ],
              timeline.items,
              output.look,
              output.width,
            ),
          );
        },
        LOOK_FOR_NODES,
      ),
    );
}
