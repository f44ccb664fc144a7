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

function roleFields(role: Role): [string, string][] {
  const attribs = role.attribs.map((attrib) => JSON.stringify(attrib)).join('\n');
  return [
    ['name', role.name],
    ['id', String(role.id)],
    ['description', role.description],
    ['barclamp', role.barclamp],
    ['jig', `${role.jig} (class ${role.job_class}, at most ${role.timeout_seconds} s, ${role.max_attempts} attempts)`],
    ['runs in', role.runs_in],
    ['validity', role.validity],
    ['cohort', String(role.cohort)],
    ['flags', listText(role.flags)],
    ['requires', listText(role.requires)],
    ['provides', listText(role.provides)],
    ['conflicts', listText(role.conflicts)],
    ['attribs', attribs === '' ? '-' : attribs],
    ['wants', role.wants.length === 0 ? '-' : JSON.stringify(role.wants)],
    ['template', JSON.stringify(role.template)],
  ];
}

/** `prybar roles`: what can be bound to a node. */
export function addRoles(program: Command, cli: Cli): void {
  const roles = program.command('roles').description('what can be bound to a node');
  withPaging(roles.command('list').description('every role')).action((options: ListOptions, command: Command) =>
    cli.run(command, async (session) => {
      const list = await readList(options, (query) => session.client().roles.list(query, { signal: session.signal }));
      printList(session, list, COLUMNS, 'no roles');
    }),
  );
  roles
    .command('show')
    .description('one role: its jig, what it requires, the attribs it takes')
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
