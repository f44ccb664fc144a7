import { Option, type Command } from 'commander';
import { everyItem } from '../../client/client.js';
import type { Run } from '../answers.js';
import { pause } from '../board/until.js';
import { CliError, ExitCode } from '../failure.js';
import { oneOf, printList, readList, withPaging, type ListOptions } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { renderFields, type Column } from '../table.js';
import type { Tone } from '../terminal/look.js';
import { printableBlock, printableLine } from '../terminal/text-width.js';
import { durationText } from '../terminal/words.js';

const STATUSES = ['QUEUED', 'RUNNING', 'WAITING', 'WAKING', 'STOPPING', 'ENDED'] as const satisfies readonly Run['status'][];
const OUTCOMES = [
  'succeeded',
  'skipped',
  'failed',
  'retryable',
  'cancelled',
  'superseded',
  'node-rebooted',
  'node-lost',
  'lease-lost',
  'internal-error',
] as const satisfies readonly Exclude<Run['outcome'], null>[];

type RunListOptions = ListOptions & {
  node?: string;
  role?: string;
  noderole?: string;
  status?: Run['status'];
  outcome?: Exclude<Run['outcome'], null>;
};

const LOOK_FOR_RUNS = 'prybar runs list';
/** A log is asked for this often while the run goes on. */
const FOLLOW_MS = 500;

function isGood(run: Run): boolean {
  return run.outcome === 'succeeded' || run.outcome === 'skipped';
}

function runTone(run: Run): Tone {
  if (run.status !== 'ENDED') return 'running';
  if (isGood(run)) return 'active';
  return run.outcome === 'retryable' || run.outcome === 'superseded' ? 'warn' : 'error';
}

function tookText(run: Run, now: number): string {
  if (run.started_at === null) return '-';
  return durationText(((run.ended_at === null ? now : Date.parse(run.ended_at)) - Date.parse(run.started_at)) / 1000);
}

function statusText(run: Run): string {
  return run.outcome ?? (run.wait === null ? run.status : `${run.status} for ${run.wait.key}`);
}

function columnsAt(now: number): Column<Run>[] {
  return [
    { title: 'ID', value: (run) => String(run.id), align: 'right', tone: () => 'dim' },
    { title: 'NODEROLE', value: (run) => `${run.role.name}@${run.node.name}` },
    { title: 'TRY', value: (run) => String(run.attempt), align: 'right' },
    { title: 'STATUS', value: statusText, tone: runTone },
    { title: 'TOOK', value: (run) => tookText(run, now), align: 'right' },
    { title: 'JIG', value: (run) => run.jig, tone: () => 'dim' },
    { title: 'ERROR', value: (run) => run.error?.message ?? '', tone: () => 'error' },
  ];
}

function runFields(run: Run, now: number): [string, string][] {
  return [
    ['run', String(run.id)],
    ['noderole', `${run.role.name}@${run.node.name} (${run.noderole_id})`],
    ['attempt', `${run.attempt}${run.retry_of === null ? '' : `, after run ${run.retry_of}`}`],
    ['status', statusText(run)],
    ['jig', `${run.jig} (class ${run.job_class})`],
    ['error', run.error === null ? '-' : printableLine(`${run.error.message} (${run.error.code})`)],
    ['exit status', run.exit_status === null ? '-' : String(run.exit_status)],
    ['waits', run.wait === null ? '-' : `for ${run.wait.key} until ${run.wait.deadline}, keeps ${run.wait.keeps}`],
    ['created', run.created_at],
    ['started', run.started_at ?? '-'],
    ['ended', run.ended_at ?? '-'],
    ['took', tookText(run, now)],
    ['inputs', run.inputs === undefined ? '-' : printableLine(JSON.stringify(run.inputs))],
  ];
}

/** The run's id; of a noderole (role@node) it is the newest run's. */
async function findRun(session: Session, key: string): Promise<number> {
  if (/^\d{1,15}$/.test(key)) return Number(key);
  if (!key.includes('@'))
    throw new CliError({
      exitCode: ExitCode.usage,
      code: 'usage',
      detail: `'${key}' is no run: write its id, or role@node for the newest run of a noderole`,
      next: LOOK_FOR_RUNS,
    });
  let newest = 0;
  const pages = everyItem((after) => session.client().nodeRoles.runs(key, { limit: 1000, after }, { signal: session.signal }));
  for await (const run of pages) newest = Math.max(newest, run.id);
  if (newest === 0)
    throw new CliError({
      exitCode: ExitCode.failed,
      code: 'no-run',
      detail: `${key} has not run yet`,
      next: `prybar why ${key}`,
    });
  return newest;
}

type LogItem = { seq: number; at: string; text: string };

/** The log's chunks after `after`; as many requests as it takes. */
async function readLog(session: Session, id: number, after: number): Promise<{ items: LogItem[]; ended: boolean }> {
  const items: LogItem[] = [];
  for (;;) {
    const page = await session.client().runs.logs(id, { after: items.at(-1)?.seq ?? after }, { signal: session.signal });
    items.push(...page.items);
    if (page.ended || page.items.length === 0) return { items, ended: page.ended };
  }
}

function chunkText(chunk: { text: string }): string {
  return printableBlock(chunk.text).replace(/\n$/, '');
}

/** Prints the log while it grows. The exit code tells how the run ended. */
async function followLog(session: Session, id: number): Promise<number> {
  let after = -1;
  for (;;) {
    const { items, ended } = await readLog(session, id, after);
    for (const chunk of items) session.output.printOne(chunk, chunkText);
    after = items.at(-1)?.seq ?? after;
    if (ended) break;
    if (session.signal.aborted) return ExitCode.interrupted;
    await pause(FOLLOW_MS, session.signal);
  }
  const run = await session.client().runs.get(id, { signal: session.signal });
  session.output.hint(`run ${id} ${statusText(run)}${run.error === null ? '' : `: ${printableLine(run.error.message)}`}`);
  return isGood(run) ? ExitCode.ok : ExitCode.failed;
}

/** `prybar runs`: the attempts, and what they wrote. */
export function addRuns(program: Command, cli: Cli): void {
  const runs = program.command('runs').description('attempts at noderoles, and their logs');
  withPaging(runs.command('list').description('the runs'))
    .option('--node <node>', 'on this node')
    .option('--role <role>', 'of this role')
    .option('--noderole <noderole>', 'of this noderole (id or role@node)')
    .addOption(new Option('--status <status>', 'in this status').argParser(oneOf(STATUSES)))
    .addOption(new Option('--outcome <outcome>', 'that ended so').argParser(oneOf(OUTCOMES)))
    .action((options: RunListOptions, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, signal } = session;
          const noderole = options.noderole === undefined ? undefined : (await client().nodeRoles.get(options.noderole, { signal })).id;
          const { node, role, status, outcome } = options;
          const list = await readList(options, (query) => client().runs.list({ node, role, status, outcome, noderole, ...query }, { signal }));
          printList(session, list, columnsAt(session.now()), 'no runs');
        },
        'prybar noderoles list',
      ),
    );
  runs
    .command('show')
    .description('one run: outcome, error, frozen inputs')
    .argument('<run>', 'id, or role@node for its newest run')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal, now } = session;
          output.print(await client().runs.get(await findRun(session, key), { signal }), (run) => renderFields(runFields(run, now()), output.look));
        },
        LOOK_FOR_RUNS,
      ),
    );
  runs
    .command('logs')
    .description('what a run wrote')
    .argument('<run>', 'id, or role@node for its newest run')
    .option('-f, --follow', 'go on until the run ends; the exit code then tells how it ended')
    .action((key: string, options: { follow?: boolean }, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const id = await findRun(session, key);
          if (options.follow === true) return followLog(session, id);
          session.output.print(await readLog(session, id, -1), (log) => log.items.map(chunkText).join('\n'));
        },
        LOOK_FOR_RUNS,
      ),
    );
}
