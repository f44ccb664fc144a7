import { Option, type Command } from 'commander';
import type { BindResult, Deployment } from '../answers.js';
import { CliError, ExitCode } from '../failure.js';
import { readJsonObject } from '../json-argument.js';
import { printList, readList, wholeNumber, withPaging, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, type Column } from '../table.js';
import type { Look, Tone } from '../terminal/look.js';
import { shareText, stateCountsText } from '../terminal/states.js';
import { countText } from '../terminal/words.js';
import { watchDeployment } from '../watch/watch.js';
import { addDeploymentChanges } from './deployment-changes.js';
import { addDeploymentHistory, showRevision } from './deployment-history.js';
import { addCommit } from './deployment-plan.js';
import { addRedeploy } from './redeploy.js';

type BindOptions = { role: string[]; data?: string };

const LOOK_FOR_DEPLOYMENTS = 'prybar deployments list';
const STATE_TONES: Record<Deployment['state'], Tone> = {
  proposed: 'dim',
  committed: 'running',
  active: 'active',
  error: 'error',
};

const COLUMNS: Column<Deployment>[] = [
  { title: 'NAME', value: (deployment) => deployment.name, tone: () => 'strong' },
  {
    title: 'STATE',
    value: (deployment) => `${deployment.state}${deployment.paused ? ' (paused)' : ''}`,
    tone: (deployment) => STATE_TONES[deployment.state],
  },
  { title: 'PARENT', value: (deployment) => deployment.parent?.name ?? '-', tone: () => 'dim' },
  { title: 'NODES', value: (deployment) => String(deployment.nodes), align: 'right' },
  {
    title: 'NODEROLES',
    value: (deployment) => shareText(deployment.counts),
    tone: (deployment) => (deployment.counts.ERROR > 0 ? 'error' : 'plain'),
  },
  { title: 'REVISION', value: (deployment) => String(deployment.revision), align: 'right' },
  { title: 'DESCRIPTION', value: (deployment) => deployment.description, tone: () => 'dim' },
];

function deploymentText(deployment: Deployment, look: Look): string {
  return renderFields(
    [
      ['name', deployment.name],
      ['id', String(deployment.id)],
      ['description', deployment.description || '-'],
      ['state', look.paint(STATE_TONES[deployment.state], deployment.state) + (deployment.paused ? ' (paused)' : '')],
      ['parent', deployment.parent?.name ?? '-'],
      [
        'committed',
        deployment.committed_at === null
          ? `no; next: prybar deployments commit ${deployment.name}`
          : `${deployment.committed_at}, revision ${deployment.revision}`,
      ],
      ['nodes', String(deployment.nodes)],
      ['noderoles', stateCountsText(deployment.counts, look)],
    ],
    look,
  );
}

const timeout = (): Option =>
  new Option('--timeout <seconds>', 'stop watching after this long, with what is still not ACTIVE').argParser(wholeNumber(1, 604_800)).default(3600);

function addBind(deployments: Command, cli: Cli): void {
  deployments
    .command('bind')
    .description('bind roles to nodes; what a role requires is bound with it. Nothing runs before the commit')
    .argument('<deployment>', 'id or name')
    .argument('[nodes...]', 'ids or names; none for a service, which needs no machine')
    .requiredOption('--role <role>', 'role to bind; may be repeated', (role: string, roles: string[] | undefined) => [...(roles ?? []), role])
    .option('--data <json>', 'data of these noderoles: a JSON object, @FILE or - for stdin')
    .action((deployment: string, nodes: string[], options: BindOptions, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal, cwd }) => {
          const data = options.data === undefined ? undefined : readJsonObject(options.data, '--data', cwd);
          const items: BindResult[] = [];
          for (const role of options.role) {
            for (const node of nodes.length === 0 ? [undefined] : nodes)
              items.push(await client().nodeRoles.bind({ role, node, deployment, data }, { signal }));
          }
          const created = new Set(items.flatMap((item) => item.created)).size;
          output.print(
            { items, next: null, total: items.length },
            () => `${countText(created, 'noderole')} proposed for ${items.map((item) => item.noderole.name).join(', ')}`,
          );
          output.hint(`next: prybar plan ${deployment}, then prybar deployments commit ${deployment} --watch`);
        },
        'prybar nodes list, prybar roles list, prybar deployments list',
      ),
    );
}

function addWatch(deployments: Command, cli: Cli): void {
  deployments
    .command('watch')
    .description('show progress until all is ACTIVE (exit 0) or nothing can move and something is in ERROR (exit 1)')
    .argument('<deployment>', 'id or name')
    .addOption(timeout())
    .action((key: string, options: { timeout: number }, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const deployment = await session.client().deployments.get(key, { signal: session.signal });
          if (deployment.committed_at === null) {
            throw new CliError({
              exitCode: ExitCode.failed,
              code: 'not-committed',
              detail: `${deployment.name} is not committed: nothing will happen`,
              next: `prybar deployments commit ${deployment.name} --watch`,
            });
          }
          return watchDeployment(session, { deployment: key, timeoutSeconds: options.timeout });
        },
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
}

/** `prybar deployments`: what shall run where, proposed, committed and watched. */
export function addDeployments(program: Command, cli: Cli): void {
  const deployments = program.command('deployments').description('what shall run where: create, bind, commit, watch');
  withPaging(deployments.command('list').description('the deployments')).action((options: ListOptions, command: Command) =>
    cli.run(command, async (session) => {
      const list = await readList(options, (query) => session.client().deployments.list(query, { signal: session.signal }));
      printList(session, list, COLUMNS, 'no deployments; create one: prybar deployments create NAME');
    }),
  );
  deployments
    .command('show')
    .description('one deployment, or one of its revisions')
    .argument('<deployment>', 'id or name')
    .addOption(new Option('--revision <n>', 'a revision: who, when, why, and what it changed').argParser(wholeNumber(1, 2_147_483_647)))
    .action((key: string, options: { revision?: number }, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal } = session;
          if (options.revision !== undefined) return showRevision(session, key, options.revision);
          output.print(await client().deployments.get(key, { signal }), (deployment) => deploymentText(deployment, output.look));
        },
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
  deployments
    .command('create')
    .description('create an empty deployment')
    .argument('<name>', 'small letters, digits, dots and dashes')
    .option('--parent <deployment>', 'in the tree, below this one; default system')
    .option('--description <text>', 'what it is for')
    .action((name: string, options: { parent?: string; description?: string }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const { parent, description } = options;
          output.print(await client().deployments.create({ name, parent, description }, { signal }), (deployment) => `${deployment.name} created`);
          output.hint(`next: prybar deployments bind ${name} NODE --role ROLE`);
        },
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
  addBind(deployments, cli);
  addCommit(deployments, cli);
  addDeploymentChanges(deployments, cli);
  addDeploymentHistory(deployments, cli);
  addRedeploy(deployments, cli, {
    noun: 'deployment',
    argument: 'id or name',
    what: 'every machine of a deployment',
    act: ({ client, signal }, key, force) => client().deployments.redeploy(key, { force }, { signal }),
    next: LOOK_FOR_DEPLOYMENTS,
  });
  deployments
    .command('recall')
    .description('take a commit back: nothing new is started, what runs goes on')
    .argument('<deployment>', 'id or name')
    .option('--stop', 'cancel what runs as well')
    .action((key: string, options: { stop?: boolean }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) =>
          output.print(
            await client().deployments.recall(key, options.stop === true ? { stop: true } : undefined, { signal }),
            (deployment) => `${deployment.name} recalled: ${deployment.state}`,
          ),
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
  deployments
    .command('propose')
    .description('take all noderoles of a deployment back to PROPOSED, to change them or to delete it; what runs is stopped')
    .argument('<deployment>', 'id or name')
    .option('--force', 'break off even a step that must not be, such as a firmware update')
    .action((key: string, options: { force?: true }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const done = await client().deployments.propose(key, options.force === true ? { force: true } : undefined, { signal });
          output.print(done, () => `${done.deployment.name}: ${countText(done.proposed, 'noderole')} taken back to PROPOSED`);
          output.hint(`next: prybar plan ${key}, or prybar deployments delete ${key}`);
        },
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
  addWatch(deployments, cli);
  deployments
    .command('delete')
    .description('delete a deployment whose noderoles are all proposed; its nodes go to its parent')
    .argument('<deployment>', 'id or name')
    .option('--recursive', 'with every deployment below it, or none of them')
    .action((key: string, options: { recursive?: boolean }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          await client().deployments.remove(key, { recursive: options.recursive === true }, { signal });
          output.hint(`${key} deleted`);
        },
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
}
