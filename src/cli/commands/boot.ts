import { Option, type Command } from 'commander';
import { parseMac } from '../../shared/mac.js';
import type { BootStep, BootTimeline, UnknownMachine } from '../answers.js';
import { pause } from '../board/until.js';
import { ExitCode } from '../failure.js';
import { printList, readList, wholeNumber, withPaging, type ListOptions } from '../listing.js';
import type { Cli, Session } from '../session.js';
import type { Column } from '../table.js';
import { addBootCa } from './boot-ca.js';
import { addBootTransfers } from './boot-transfers.js';
import { bootDoctorText } from '../terminal/boot-doctor.js';
import { bootStepText, bootTimelineText } from '../terminal/boot-steps.js';
import { agoText } from '../terminal/words.js';

type TimelineOptions = { limit: number; all?: boolean; since?: string; watch?: boolean };

/** How often --watch asks for what is new. */
const WATCH_MS = 1_000;

/** A MAC is asked for as one, whatever its spelling: most machines are looked for before they are nodes. */
function readTimeline({ client, signal }: Session, key: string, query: { limit: number; since?: string | undefined }): Promise<BootTimeline> {
  const mac = parseMac(key);
  return mac === undefined ? client().nodes.bootTimeline(key, query, { signal }) : client().boot.timeline(mac, query, { signal });
}

/** The steps of the present boot, or all of the page. */
function shown(timeline: BootTimeline, options: TimelineOptions): BootStep[] {
  const from = timeline.present_from;
  const begin = from === null ? -1 : timeline.items.findIndex((step) => step.id === from);
  return options.all === true || options.since !== undefined ? timeline.items : timeline.items.slice(Math.max(0, begin));
}

/** Prints what comes, until Ctrl-C. With --json a step is a line. */
async function watch(session: Session, key: string, options: TimelineOptions, first: BootTimeline): Promise<void> {
  const { output, signal } = session;
  const print = (step: BootStep, before: BootStep | undefined) => output.printOne(step, () => bootStepText(step, before, output.look));
  const begun = shown(first, options);
  begun.forEach((step, index) => print(step, begun[index - 1]));
  if (begun.length === 0) output.hint(`nothing was heard of ${key} yet; waiting`);
  let last = first.items.at(-1);
  let newest = Math.max(0, ...first.items.map((step) => step.id));
  while (!signal.aborted) {
    const { items } = await readTimeline(session, key, { limit: 1000, since: String(newest) });
    for (const step of items) {
      print(step, last);
      last = step;
      newest = Math.max(newest, step.id);
    }
    if (items.length < 1000) await pause(WATCH_MS, signal);
  }
}

function addTimeline(boot: Command, cli: Cli): void {
  boot
    .command('timeline')
    .description('every packet and transfer of its present boot, as our servers saw it')
    .argument('<node>', 'id, name, or a MAC, node or not')
    .addOption(new Option('--limit <n>', 'newest steps at most').argParser(wholeNumber(1, 1000)).default(200))
    .option('--all', 'earlier boots too')
    .option('--since <time>', 'only after this time (2026-11-21T15:00:00Z) or after the step of this id')
    .option('--watch', 'go on and print each step as it comes')
    .action((key: string, options: TimelineOptions, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { output } = session;
          const timeline = await readTimeline(session, key, { limit: options.limit, since: options.since });
          if (options.watch === true) return watch(session, key, options, timeline);
          output.print(timeline, () => bootTimelineText(shown(timeline, options), output.look));
          if (timeline.items.length === 0) output.hint(`nothing was heard of ${key}; is it on, and on a network that is served? prybar boot doctor ${key}`);
          else if (shown(timeline, options).length < timeline.total) output.hint(`${timeline.total} steps are kept; earlier boots: --all`);
        },
        'prybar boot unknown',
      ),
    );
}

function addDoctor(boot: Command, cli: Cli): void {
  boot
    .command('doctor')
    .description('where its boot stopped: the causes that fit, and the switch to flip; exit 1 when it has stopped')
    .argument('<node>', 'id, name, or a MAC, node or not')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const mac = parseMac(key);
          const answer = mac === undefined ? await client().nodes.bootDoctor(key, { signal }) : await client().boot.doctor(mac, { signal });
          output.print(answer, () => bootDoctorText(answer, output.look));
          const hasCause = answer.suspects[0]?.certainty === 'certain';
          return answer.verdict === 'stalled' || answer.verdict === 'unseen' || hasCause ? ExitCode.failed : ExitCode.ok;
        },
        'prybar boot unknown',
      ),
    );
}

const UNKNOWN_COLUMNS: Column<UnknownMachine & { now: number }>[] = [
  { title: 'MAC', value: (machine) => machine.mac, tone: () => 'strong' },
  { title: 'LAST HEARD', value: (machine) => agoText(machine.last.at, machine.now) },
  {
    title: 'LAST STEP',
    value: (machine) => `${machine.last.title} ${machine.last.text}`,
    tone: (machine) => (machine.last.tone === 'bad' ? 'error' : 'plain'),
  },
  { title: 'STEPS', value: (machine) => String(machine.steps), align: 'right' },
];

function addUnknown(boot: Command, cli: Cli): void {
  withPaging(boot.command('unknown').description('machines that were heard and are no node'))
    .option('--search <text>', 'with this in the MAC')
    .action((options: ListOptions & { search?: string }, command: Command) =>
      cli.run(command, async (session) => {
        const list = await readList(options, (query) => session.client().boot.unknown({ q: options.search, ...query }, { signal: session.signal }));
        if (session.output.json) return session.output.print(list, () => '');
        const now = session.now();
        printList(session, { ...list, items: list.items.map((item) => ({ ...item, now })) }, UNKNOWN_COLUMNS, 'every machine that was heard is a node');
      }),
    );
}

/** `prybar boot`: what was seen of a machine's boots. */
export function addBoot(program: Command, cli: Cli): void {
  const boot = program.command('boot').description('what was seen of the boots of a machine, and where one stopped');
  addTimeline(boot, cli);
  addDoctor(boot, cli);
  addBootTransfers(boot, cli);
  addBootCa(boot, cli);
  addUnknown(boot, cli);
}
