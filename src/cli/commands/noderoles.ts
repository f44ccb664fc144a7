import { Option, type Command } from 'commander';
import type { NodeRole, NodeRoleState } from '../answers.js';
import { readJsonObject } from '../json-argument.js';
import { oneOf, printList, readList, withPaging, type ListOptions } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { renderFields, type Column } from '../table.js';
import type { Look } from '../terminal/look.js';
import { STATES, stateGlyph, stateTone } from '../terminal/states.js';
import { agoText } from '../terminal/words.js';
import { printableLine } from '../terminal/text-width.js';
import { addBulk } from './noderoles-bulk.js';
import { addRedeploy } from './redeploy.js';
import { printWhy } from './why.js';

type NodeRoleListOptions = ListOptions & {
  deployment?: string;
  node?: string;
  role?: string;
  state?: NodeRoleState;
};

const NODE_ROLE = 'id or role@node';
const LOOK_FOR_NODE_ROLES = 'prybar noderoles list';

function runText(noderole: NodeRole): string {
  const { run } = noderole;
  if (run === null) return '';
  return `run ${run.id} ${run.status}${run.wait === null ? '' : ` for ${run.wait.key}`}`;
}

function whatText(noderole: NodeRole): string {
  if (noderole.error !== null) return noderole.error.message;
  if (noderole.run !== null) return runText(noderole);
  if (noderole.not_before !== null) return `not before ${noderole.not_before}`;
  return noderole.pending_parents > 0 ? `waits for ${noderole.pending_parents} parent${noderole.pending_parents === 1 ? '' : 's'}` : '';
}

const COLUMNS: Column<NodeRole>[] = [
  { title: 'ID', value: (noderole) => String(noderole.id), align: 'right', tone: () => 'dim' },
  { title: 'NODEROLE', value: (noderole) => noderole.name },
  {
    title: 'STATE',
    value: (noderole) => noderole.state,
    tone: (noderole) => stateTone(noderole.state),
  },
  { title: 'DEPLOYMENT', value: (noderole) => noderole.deployment.name },
  { title: '', value: whatText, tone: (noderole) => (noderole.error === null ? 'dim' : 'error') },
];

function neighboursText(neighbours: NodeRole['parents'], look: Look): string {
  return (
    neighbours.map((one) => `${look.paint(stateTone(one.state), stateGlyph(one.state, look))} ${one.name} ${look.paint('dim', one.state)}`).join('\n') || '-'
  );
}

/** One noderole as fields, for `show` and after each verb. */
function nodeRoleText(noderole: NodeRole, now: number, look: Look): string {
  const data = (value: Record<string, unknown> | null): string => (value === null ? '-' : printableLine(JSON.stringify(value)));
  return renderFields(
    [
      ['noderole', noderole.name],
      ['id', String(noderole.id)],
      ['deployment', noderole.deployment.name],
      ['state', `${look.paint(stateTone(noderole.state), noderole.state)} since ${agoText(noderole.changed_at, now).replace(' ago', '')}`],
      ['cohort', String(noderole.cohort)],
      ['error', noderole.error === null ? '-' : look.paint('error', printableLine(`${noderole.error.message} (${noderole.error.code})`))],
      ['failures', String(noderole.failures)],
      ['run', runText(noderole) || '-'],
      ['proposed', data(noderole.proposed_data)],
      ['committed', data(noderole.committed_data)],
      ['sysdata', data(noderole.sysdata)],
      ['wall', data(noderole.wall)],
      ['parents', neighboursText(noderole.parents, look)],
      ['children', neighboursText(noderole.children, look)],
    ],
    look,
  );
}

type Verb = {
  name: string;
  description: string;
  act: (session: Session, key: string) => Promise<NodeRole>;
  done: string;
};

const VERBS: Verb[] = [
  {
    name: 'cancel',
    description: 'stop the run of a noderole; it ends in ERROR',
    done: 'is being stopped',
    act: ({ client, signal }, key) => client().nodeRoles.cancel(key, { signal }),
  },
  {
    name: 'propose',
    description: 'take a noderole back to PROPOSED, to change its data',
    done: 'is proposed',
    act: ({ client, signal }, key) => client().nodeRoles.propose(key, { signal }),
  },
];

function addVerb(noderoles: Command, cli: Cli, verb: Verb): void {
  noderoles
    .command(verb.name)
    .description(verb.description)
    .argument('<noderole>', NODE_ROLE)
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const noderole = await verb.act(session, key);
          session.output.print(noderole, () => `${noderole.name} ${verb.done}: ${noderole.state}`);
        },
        `prybar noderoles why ${key}`,
      ),
    );
}

/** `prybar noderoles`: a role on a node, and its life. */
export function addNodeRoles(program: Command, cli: Cli): void {
  const noderoles = program.command('noderoles').description('roles bound to nodes: look, ask why, retry, cancel');
  withPaging(noderoles.command('list').description('the noderoles'))
    .option('--deployment <name>', 'of this deployment')
    .option('--node <node>', 'on this node')
    .option('--role <role>', 'of this role')
    .addOption(new Option('--state <state>', 'in this state').argParser(oneOf(STATES)))
    .action((options: NodeRoleListOptions, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { deployment, node, role, state } = options;
          const list = await readList(options, (query) =>
            session.client().nodeRoles.list({ deployment, node, role, state, ...query }, { signal: session.signal }),
          );
          printList(session, list, COLUMNS, 'no noderoles; bind some: prybar deployments bind DEPLOYMENT NODE --role ROLE');
        },
        'prybar deployments list, prybar nodes list, prybar roles list',
      ),
    );
  noderoles
    .command('show')
    .description('one noderole: state, data, parents and children')
    .argument('<noderole>', NODE_ROLE)
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal, now }) => {
          output.print(await client().nodeRoles.get(key, { signal }), (noderole) => nodeRoleText(noderole, now(), output.look));
        },
        LOOK_FOR_NODE_ROLES,
      ),
    );
  addBulk(noderoles, cli);
  for (const verb of VERBS) addVerb(noderoles, cli, verb);
  addRedeploy(noderoles, cli, {
    noun: 'noderole',
    argument: NODE_ROLE,
    what: 'what a noderole installs',
    act: ({ client, signal }, key, force) => client().nodeRoles.redeploy(key, { force }, { signal }),
    next: LOOK_FOR_NODE_ROLES,
  });
  noderoles
    .command('set-data')
    .description('replace the proposed data of a noderole; it takes effect at the next commit')
    .argument('<noderole>', NODE_ROLE)
    .argument('<json>', 'a JSON object, @FILE or - for stdin')
    .action((key: string, json: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal, cwd }) => {
          const noderole = await client().nodeRoles.setData(key, readJsonObject(json, '<json>', cwd), { signal });
          output.print(noderole, () => `${noderole.name}: data proposed; next: prybar deployments commit ${noderole.deployment.name}`);
        },
        `prybar noderoles show ${key}`,
      ),
    );
  noderoles
    .command('unbind')
    .description('take roles off their nodes again; without --cascade they must be PROPOSED and nothing may need them')
    .argument('<noderoles...>', NODE_ROLE)
    .option('--cascade', 'whatever their state, and everything below them; what runs is stopped first')
    .action((keys: string[], options: { cascade?: boolean }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          for (const key of keys) {
            await client().nodeRoles.unbind(key, { cascade: options.cascade === true }, { signal });
            output.hint(`${key} unbound`);
          }
        },
        LOOK_FOR_NODE_ROLES,
      ),
    );
  noderoles
    .command('why')
    .description('why a noderole is in the state it is in, down to the root')
    .argument('<noderole>', NODE_ROLE)
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async (session) => {
          printWhy(session, await session.client().nodeRoles.why(key, { signal: session.signal }));
        },
        LOOK_FOR_NODE_ROLES,
      ),
    );
}
