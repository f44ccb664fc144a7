import { Option, type Command } from 'commander';
import { everyItem, RUN_OUTCOMES, RUN_STATUSES } from '../../client/client.js';
import type { Run, RunDetail } from '../answers.js';
import { pause } from '../board/until.js';
import { CliError, ExitCode } from '../failure.js';
import { oneOf, printList, readList, withPaging, type ListOptions } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { renderFields, type Column } from '../table.js';
import type { Tone } from '../terminal/look.js';
import { printableBlock, printableLine } from '../terminal/text-width.js';
import { durationText } from '../terminal/words.js';

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

function runFields(run: RunDetail, now: number): [string, string][] {
  return [
    ['run', String(run.id)],
    ['noderole', `${run.role.name}@${run.node.name} (${run.noderole_id})`],
    ['attempt', `${run.attempt}${run.retry_of === null ? '' : `, after run ${run.retry_of}`}`],
    ['status', statusText(run)],
    ['jig', `${run.jig} (class ${run.job_class})`],
    ['error', run.error === null ? '-' : printableLine(`${run.error.message} (${run.error.code})`)],
    ['exit status', run.exit_status === null ? '-' : String(run.exit_status)],
    ['unabortable', run.unabortable ?? '-'],
    [
      'cancel asked',
      run.cancel_asked === null ? '-' : `by ${printableLine(run.cancel_asked.by)} at ${run.cancel_asked.at}, takes effect at the end of that step`,
    ],
    ...stopFields(run),
    ['waits', run.wait === null ? '-' : `for ${run.wait.key} until ${run.wait.deadline}, keeps ${run.wait.keeps}`],
    ['created', run.created_at],
    ['started', run.started_at ?? '-'],
    ['ended', run.ended_at ?? '-'],
    ['took', tookText(run, now)],
    ...run.turns.map((turn): [string, string] => [turn.to === 'wait' ? '  waits' : '  goes on', turnText(turn)]),
    ['attempts', run.attempts.map((one) => `${one.id} ${one.outcome ?? one.status}`).join(' -> ')],
    ['given', run.inputs === undefined ? '-' : printableLine(JSON.stringify(run.inputs))],
    ['left', leftText(run)],
    ...run.late_results.map((late): [string, string] => ['late result', `${late.at} ${printableLine(JSON.stringify(late.body))}`]),
  ];
}

const turnText = (turn: RunDetail['turns'][number]): string =>
  turn.to === 'wait' ? `${turn.at} for ${printableLine(turn.key ?? '?')}, keeps ${turn.keeps ?? '?'}` : `${turn.at} (${turn.reason ?? 'rung'})`;

function leftText(run: RunDetail): string {
  const parts = [
    run.wall === null || run.wall === undefined ? '' : `wall ${JSON.stringify(run.wall)}`,
    run.result === null || run.result === undefined ? '' : `result ${JSON.stringify(run.result)}`,
  ];
  return printableLine(parts.filter(Boolean).join('; ')) || '-';
}

function stopFields({ stop, id }: RunDetail): [string, string][] {
  if (stop === null) return [];
  const fields: [string, string][] = [['stopped', `since ${stop.since}: ${printableLine(stop.reason)}`]];
  if (stop.step !== null) fields.push(['  undoing', `${stop.step}, ${stop.tries} tries${stop.note === null ? '' : `: ${printableLine(stop.note)}`}`]);
  const missing = 'nothing yet: the machine stays taken until its agent confirms, it boots anew, or its BMC says off';
  fields.push(['  proof', stop.proof === null ? missing : printableLine(stop.proof)]);
  if (stop.stuck_since !== null && stop.proof === null)
    fields.push(['  stuck', `since ${stop.stuck_since}; when you know that nothing of it runs: prybar runs force-end ${id} --reason <why>`]);
  return fields;
}

/** The fields, and under them the end of the log. */
function showText(run: RunDetail, session: Session): string {
  const fields = renderFields(runFields(run, session.now()), session.output.look);
  return run.log_tail === '' ? fields : `${fields}\n\nsaid (the end; all of it: prybar runs logs ${run.id})\n${chunkText({ text: run.log_tail })}`;
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
    .addOption(new Option('--status <status>', 'in this status').argParser(oneOf(RUN_STATUSES)))
    .addOption(new Option('--outcome <outcome>', 'that ended so').argParser(oneOf(RUN_OUTCOMES)))
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
    .description('one run: what it was given, what it said, what it left')
    .argument('<run>', 'id, or role@node for its newest run')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal } = session;
          output.print(await client().runs.get(await findRun(session, key), { signal }), (run) => showText(run, session));
        },
        LOOK_FOR_RUNS,
      ),
    );
  runs
    .command('force-end')
    .description('end a run that is being stopped and does not come to its end: on your word, audited')
    .argument('<run>', 'id, or role@node for its newest run')
    .requiredOption('--reason <why>', 'why nothing of it is on the machine any more')
    .action((key: string, options: { reason: string }, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal } = session;
          const run = await client().runs.forceEnd(await findRun(session, key), { reason: options.reason }, { signal });
          output.print(run, () => `run ${run.id} ended as ${run.outcome}; node ${run.node.name} is free for others`);
        },
        'prybar runs list --status STOPPING',
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
