import type { Command } from 'commander';
import type { Role } from '../answers.js';
import { printList, readList, withPaging, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, type Column } from '../table.js';
import { listText } from '../terminal/words.js';

const COLUMNS: Column<Role>[] = [
  { title: 'NAME', value: (role) => role.name, tone: () => 'strong' },
  { title: 'BARCLAMP', value: (role) => role.barclamp },
  { title: 'JIG', value: (role) => role.jig },
  { title: 'COHORT', value: (role) => String(role.cohort), align: 'right' },
  { title: 'REQUIRES', value: (role) => listText(role.requires) },
  { title: 'FLAGS', value: (role) => listText(role.flags), tone: () => 'dim' },
  { title: 'DESCRIPTION', value: (role) => role.description, tone: () => 'dim' },
];

const json = (value: unknown): string => JSON.stringify(value, null, 2);

/** Everything there is; what is empty is left out, apart from what a reader would look for. */
function roleFields(role: Role): [string, string][] {
  const fields: [string, string][] = [
    ['name', role.name],
    ['id', String(role.id)],
    ['description', role.description],
    ['barclamp', `${role.barclamp}${role.retired ? ' (retired: its barclamp defines it no more, nothing new is bound to it)' : ''}`],
    ['jig', `${role.jig} (class ${role.job_class}, at most ${role.timeout_seconds} s)`],
    ['retry', retryText(role)],
    ['runs in', role.runs_in],
    ['validity', role.validity],
    ['parent error', role.on_parent_error],
    ['cohort', String(role.cohort)],
    ['flags', listText(role.flags)],
    ['requires', listText(role.requires)],
    ['goes after', [...role.soft_after, ...role.soft_after_deployment.map((name) => `${name} (anywhere in the deployment)`)].join(', ')],
    ['provides', listText(role.provides)],
    ['conflicts', listText(role.conflicts)],
    ['hooks', role.hooks.join(', ')],
    ['barrier of', role.barrier_of === null ? '' : `${role.barrier_of}, opened by ${role.quorum === null ? 'all members' : `${role.quorum} members`}`],
    ['attribs', role.attribs.map((attrib) => JSON.stringify(attrib)).join('\n')],
    ['wants', role.wants.map(wantText).join('\n')],
    ['template', Object.keys(role.template).length === 0 ? '' : json(role.template)],
    ['jig config', configText(role)],
    ['changed', role.updated_at],
  ];
  return fields.filter(([, value]) => value !== '');
}

function retryText(role: Role): string {
  if (role.max_attempts === 1) return 'never';
  const pause = `pause ${role.backoff_seconds} s, doubled up to ${role.backoff_max_seconds} s`;
  return `${role.max_attempts} attempts, ${pause}${role.no_retry_on.length === 0 ? '' : `; not after ${role.no_retry_on.join(', ')}`}`;
}

/** `port of database, as db.port`; one of no role is the node's. */
function wantText({ name, at, role }: Role['wants'][number]): string {
  if (role === null && (name === 'parents' || name === 'no-members')) return name;
  const place = typeof at === 'string' && at !== name ? `, as ${at}` : '';
  return `${String(name)} of ${typeof role === 'string' ? role : 'the node'}${place}`;
}

/** A script as its lines, anything else as JSON. */
function configText({ jig_config: config }: Role): string {
  const { script, ...rest } = config;
  if (typeof script !== 'string') return Object.keys(config).length === 0 ? '' : json(config);
  return [...(Object.keys(rest).length === 0 ? [] : [json(rest)]), script.trimEnd()].join('\n');
}

/** `prybar roles`: what can be bound to a node. */
export function addRoles(program: Command, cli: Cli): void {
  const roles = program.command('roles').description('what can be bound to a node');
  withPaging(roles.command('list').description('every role'))
    .option('--milestones', 'only the milestones: what a deployment is watched and targeted by')
    .action((options: ListOptions & { milestones?: boolean }, command: Command) =>
      cli.run(command, async (session) => {
        const list = await readList(options, (query) =>
          session.client().roles.list({ ...query, ...(options.milestones === true ? { milestone: true } : {}) }, { signal: session.signal }),
        );
        printList(session, list, COLUMNS, 'no roles');
      }),
    );
  roles
    .command('show')
    .description('one role: everything its barclamp says of it')
    .argument('<role>', 'id or name')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          output.print(await client().roles.get(key, { signal }), (role) => renderFields(roleFields(role), output.look));
        },
        'prybar roles list',
      ),
    );
}
