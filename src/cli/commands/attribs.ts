import { Option, type Command } from 'commander';
import type { Client } from '../../client/client.js';
import { everyItem, type AttribsOf } from '../../client/client.js';
import { CliError, ExitCode } from '../failure.js';
import type { Cli, Session } from '../session.js';
import { renderFields, renderTable, type Column } from '../table.js';
import type { Look } from '../terminal/look.js';
import { printableLine } from '../terminal/text-width.js';

type AttribList = Awaited<ReturnType<Client['attribs']['list']>>;
type AttribOne = Awaited<ReturnType<Client['attribs']['get']>>;
type RunInputs = Awaited<ReturnType<Client['attribs']['inputs']>>;
type Attrib = AttribList['attribs'][number];
type Source = Pick<Attrib['sources'][number], 'bucket' | 'noderole' | 'revision' | 'run' | 'by' | 'at'> & { path?: string };

const PAGE = 1000;
const TARGET = '<role>@<node> (or its id), <deployment>/<role>, or a node';
const LOOK = 'prybar noderoles list, prybar nodes list';

/** `<role>@<node>` or an id: a noderole; `<deployment>/<role>`: a role in a deployment; any other name: a node. */
async function findTarget(session: Session, target: string): Promise<AttribsOf> {
  if (target.includes('@') || /^\d+$/.test(target)) return { kind: 'node_roles', key: target };
  const slash = target.indexOf('/');
  if (slash < 0) return { kind: 'nodes', key: target };
  const [deployment, role] = [target.slice(0, slash), target.slice(slash + 1)];
  for await (const one of everyItem((after) => session.client().deploymentRoles.list({ deployment, limit: PAGE, after }, { signal: session.signal })))
    if (one.role.name === role) return { kind: 'deployment_roles', key: one.id };
  throw new CliError({
    exitCode: ExitCode.usage,
    code: 'role-not-bound',
    detail: `<target>: no role '${role}' is bound in deployment '${deployment}'`,
    next: `prybar deployments bind ${deployment} NODE --role ${role}`,
  });
}

const valueText = (value: unknown): string => (value === undefined ? '-' : printableLine(JSON.stringify(value)));

/** Where a value came from, in words: bucket, whose, which revision and by whom, or which run. */
function sourceText({ bucket, noderole, revision, run, by, at }: Source): string {
  const [container = '', name = ''] = bucket.split('.');
  const what = { attrib: 'default', role: 'template', deployment_role: `deployment role, ${name}`, noderole: name, node: name }[container] ?? bucket;
  const when = at === null ? '' : ` at ${at.replace(/\.\d+Z$/, 'Z')}`;
  const whose = noderole === null ? '' : ` of ${noderole}`;
  if (run !== null) return `${what}${whose}, left by run ${run}${when}`;
  return revision === null ? `${what}${whose}` : `${what}${whose}, revision ${revision}${by === null ? '' : ` by ${by}`}${when}`;
}

/** One line when the whole value is of one source, else one for each part. */
function sourcesText(sources: readonly (Source & { path: string })[]): string {
  if (sources.length === 0) return 'nobody says anything';
  return sources.map((source) => (source.path === '' ? sourceText(source) : `${source.path}: ${sourceText(source)}`)).join('\n');
}

const COLUMNS: Column<Attrib & { wanted: boolean }>[] = [
  { title: 'ATTRIB', value: (attrib) => attrib.name },
  { title: 'VALUE', value: (attrib) => valueText(attrib.value), tone: (attrib) => (attrib.value === undefined ? 'dim' : 'plain') },
  { title: 'PROPOSED', value: (attrib) => (attrib.proposed === undefined ? '' : valueText(attrib.proposed)) },
  {
    title: 'FROM',
    value: (attrib) => `${sourcesText(attrib.sources).replaceAll('\n', '; ')}${attrib.wanted ? ` (wanted as ${attrib.scoped})` : ''}`,
    tone: () => 'dim',
  },
];

function listText(list: AttribList, look: Look, width: number | undefined): string {
  const rows = [...list.attribs.map((attrib) => ({ ...attrib, wanted: false })), ...list.wanted.map((attrib) => ({ ...attrib, wanted: true }))];
  const columns = rows.some((row) => row.proposed !== undefined) ? COLUMNS : COLUMNS.filter((column) => column.title !== 'PROPOSED');
  const notes = Object.entries(list.notes ?? {}).map(([name, value]) => `   ${printableLine(name)}: ${valueText(value)}`);
  return [
    ...(rows.length === 0 ? [] : [renderTable(columns, rows, look, width)]),
    ...(notes.length === 0 ? [] : [[look.paint('dim', 'NOTES'), ...notes].join('\n')]),
  ].join('\n\n');
}

function explainText(one: AttribOne, look: Look): string {
  const layers = (one.layers ?? []).map(
    (layer) => `${look.paint(layer.counts ? 'plain' : 'dim', `${layer.counts ? '*' : ' '} ${valueText(layer.value)}  ${sourceText(layer)}`)}`,
  );
  return renderFields(
    [
      ['attrib', `${one.scoped} of ${one.of.name}`],
      ...(one.description === '' ? [] : [['', printableLine(one.description)] as const]),
      ['value', valueText(one.value)],
      ...(one.proposed === undefined ? [] : [['proposed', `${valueText(one.proposed)} (counts from the next commit on)`] as const]),
      ['from', sourcesText(one.sources)],
      ...(one.layers === undefined ? [] : [['buckets', layers.join('\n') || '-'] as const]),
      ...(one.readers === undefined || one.readers.length === 0 ? [] : [['read by', one.readers.join('\n')] as const]),
      ['schema', one.schema === null ? '-' : printableLine(JSON.stringify(one.schema))],
    ],
    look,
  );
}

function inputsText(inputs: RunInputs, look: Look, width: number | undefined): string {
  const { sources = [] } = inputs;
  if (inputs.inputs === null) return `run ${inputs.run} of ${inputs.noderole.name} has not been given anything yet`;
  const rows = Object.entries(inputs.inputs)
    .filter(([key]) => key !== 'node')
    .map(([key, value]) => ({ key, value, sources: sources.filter((source) => source.key === key) }));
  const columns: Column<(typeof rows)[number]>[] = [
    { title: 'INPUT', value: (row) => row.key },
    { title: 'VALUE', value: (row) => valueText(row.value) },
    { title: 'FROM', value: (row) => (row.sources.length === 0 ? '' : sourcesText(row.sources).replaceAll('\n', '; ')), tone: () => 'dim' },
  ];
  return renderTable(columns, rows, look, width);
}

/** With a name one attrib with its buckets, without one the list: both say where values came from. */
async function explain(session: Session, target: string, name: string | undefined): Promise<void> {
  const { client, output, signal } = session;
  const of = await findTarget(session, target);
  if (name === undefined) {
    const list = await client().attribs.list(of, { signal });
    output.print(list, () => listText(list, output.look, output.width));
    if (list.attribs.length + list.wanted.length + Object.keys(list.notes ?? {}).length === 0) output.hint(`${list.of.name} has no attribs`);
    return;
  }
  const one = await client().attribs.get(of, name, { explain: true }, { signal });
  output.print(one, () => explainText(one, output.look));
}

function readValue(text: string): Parameters<Client['attribs']['set']>[2] {
  try {
    return JSON.parse(text) as Parameters<Client['attribs']['set']>[2];
  } catch {
    // What is no JSON is meant as a string: `prybar attribs set n1 rack r7`.
    return text;
  }
}

/** `prybar attribs`: values, where they came from, and proposing new ones. */
export function addAttribs(program: Command, cli: Cli): void {
  const attribs = program
    .command('attribs')
    .description('values of noderoles, deployment roles and nodes: which count, where they came from, propose others')
    .option('--explain', 'where each value came from: prybar attribs --explain <role>@<node> [name]')
    .argument('[target]', TARGET)
    .argument('[name]', 'an attrib')
    .action((target: string | undefined, name: string | undefined, options: { explain?: boolean }, command: Command) => {
      if (target === undefined || options.explain !== true) return command.help({ error: true });
      return cli.run(command, (session) => explain(session, target, name), LOOK);
    });
  attribs
    .command('list')
    .description('the attribs of a container with the values that count')
    .argument('<target>', TARGET)
    .action((target: string, _options: unknown, command: Command) => cli.run(command, (session) => explain(session, target, undefined), LOOK));
  attribs
    .command('explain')
    .description('where a value came from, and which buckets lie under it')
    .argument('<target>', TARGET)
    .argument('[name]', 'an attrib: port, database/port, cpu/count')
    .action((target: string, name: string | undefined, _options: unknown, command: Command) =>
      cli.run(command, (session) => explain(session, target, name), `prybar attribs list ${target}`),
    );
  attribs
    .command('get')
    .description('the value of one attrib, as JSON')
    .argument('<target>', TARGET)
    .argument('<name>', 'an attrib')
    .addOption(new Option('--bucket <bucket>', 'what that bucket says instead of what counts: user, notes, noderole.wall, ...'))
    .action((target: string, name: string, options: { bucket?: string }, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal } = session;
          const query = options.bucket === undefined ? {} : { bucket: options.bucket as 'user' };
          const one = await client().attribs.get(await findTarget(session, target), name, query, { signal });
          output.print(one, () => (one.value === undefined ? '' : printableLine(JSON.stringify(one.value))));
          if (one.value === undefined) output.hint(`${one.scoped}: nobody says anything`);
        },
        `prybar attribs list ${target}`,
      ),
    );
  attribs
    .command('set')
    .description('propose a value; it counts from the next commit on (for a node: at once)')
    .argument('<target>', TARGET)
    .argument('<name>', 'an attrib')
    .argument('<value>', 'JSON; what is no JSON is a string')
    .option('--note', 'only note it: it is shown and counts for nothing')
    .action((target: string, name: string, value: string, options: { note?: boolean }, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal } = session;
          const of = await findTarget(session, target);
          if (options.note === true) {
            const noted = await client().attribs.note(of, name, readValue(value), { signal });
            return output.print(noted, () => `noted of ${noted.of.name}: ${noted.name}: ${valueText(noted.value)}`);
          }
          const one = await client().attribs.set(of, name, readValue(value), { signal });
          return output.print(one, () => doneText(one));
        },
        `prybar attribs list ${target}`,
      ),
    );
  attribs
    .command('unset')
    .description('propose that nobody says this attrib here; what lies below counts then')
    .argument('<target>', TARGET)
    .argument('<name>', 'an attrib')
    .option('--note', 'take a note away')
    .action((target: string, name: string, options: { note?: boolean }, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal } = session;
          const of = await findTarget(session, target);
          await (options.note === true ? client().attribs.removeNote(of, name, { signal }) : client().attribs.unset(of, name, { signal }));
          output.hint(`${name} of ${target} taken back`);
        },
        `prybar attribs list ${target}`,
      ),
    );
  attribs
    .command('inputs')
    .description('what a run was given, and where each value came from')
    .argument('<run>', 'id of a run')
    .action((run: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const inputs = await client().attribs.inputs(Number(run), { explain: true }, { signal });
          output.print(inputs, () => inputsText(inputs, output.look, output.width));
        },
        'prybar runs list',
      ),
    );
}

function doneText(one: AttribOne): string {
  if (one.of.kind === 'node') return `${one.scoped} of ${one.of.name} is ${valueText(one.value)}`;
  if (one.proposed === undefined) return `${one.scoped} of ${one.of.name} is ${valueText(one.value)} already: nothing proposed`;
  return `${one.scoped} of ${one.of.name}: ${valueText(one.value)} -> ${valueText(one.proposed)} proposed; next: prybar deployments commit DEPLOYMENT`;
}
