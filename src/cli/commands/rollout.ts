import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Rollout } from '../answers.js';
import { wholeNumber } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, renderTable } from '../table.js';
import type { Look } from '../terminal/look.js';
import { countText } from '../terminal/words.js';

type Amount = number | string;
type SetOptions = { canaries?: Amount; canary?: string[]; inFlight: Amount; per: string; pauseAbove: number; minSample: number };

const LOOK_FOR_DEPLOYMENTS = 'prybar deployments list';

function readAmount(value: string): Amount {
  if (/^\d{1,6}$/.test(value) && Number(value) > 0) return Number(value);
  if (/^(100|[1-9]?\d)%$/.test(value)) return value;
  throw new InvalidArgumentError('A number of nodes such as 5, or a percentage such as 20%.');
}

function policyText({ policy }: Rollout): string {
  if (policy === null) return 'none; set one: prybar rollout set DEPLOYMENT --in-flight 10%';
  const { canaries } = policy;
  const first = canaries === null ? '' : `canaries first: ${Array.isArray(canaries) ? canaries.map((node) => node.name).join(', ') : String(canaries)}; then `;
  return `${first}${policy.in_flight} in flight per ${policy.per}; pauses above ${policy.pause_above} % failed (of at least ${policy.min_sample})`;
}

/** Policy and progress, for people. */
export function rolloutText(answer: Rollout, look: Look): string {
  const { rollout } = answer;
  const fields: [string, string][] = [
    ['deployment', answer.deployment.name],
    ['policy', policyText(answer)],
  ];
  if (rollout === null) return renderFields([...fields, ['rollout', 'none yet; the next commit begins one when there is a policy']], look);
  const { progress: p } = rollout;
  const names = (nodes: { name: string }[]): string => nodes.map((node) => node.name).join(', ') || '-';
  fields.push(
    ['rollout', `${rollout.id}, of revision ${rollout.revision}`],
    ['status', `${rollout.status}${rollout.reason === null ? '' : `: ${rollout.reason}`}`],
    ['phase', rollout.phase === 'canary' ? `canary: ${p.canaries_done} of ${p.canaries} done` : 'fleet'],
    ['progress', `${p.done} of ${countText(p.nodes, 'node')} done, ${p.in_flight} in flight, ${p.failed} failed, ${p.waiting} waiting`],
    ['in flight', names(rollout.nodes_in_flight)],
    ['failed', names(rollout.nodes_failed)],
  );
  const groups = renderTable(
    [
      { title: 'GROUP', value: (group) => group.key },
      { title: 'NODES', value: (group) => String(group.nodes), align: 'right' },
      { title: 'IN FLIGHT', value: (group) => `${group.in_flight} of ${group.max_in_flight}`, align: 'right' },
    ],
    rollout.groups,
    look,
    undefined,
  );
  return `${renderFields(fields, look)}\n\n${groups}`;
}

function addSet(rollout: Command, cli: Cli): void {
  rollout
    .command('set')
    .description('let each commit of a deployment go a few nodes at a time; a rollout under way takes over limit and pause')
    .argument('<deployment>', 'id or name')
    .addOption(new Option('--canaries <n>', 'so many nodes, or percent of them, go first and alone').argParser(readAmount))
    .addOption(new Option('--canary <node...>', 'these nodes go first and alone').conflicts('canaries'))
    .addOption(new Option('--in-flight <n>', 'nodes, or percent of them, in flight at most in each group').argParser(readAmount).makeOptionMandatory())
    .option('--per <group>', 'what a group is: role, deployment, or a path in the node such as hint.rack', 'role')
    .addOption(new Option('--pause-above <percent>', 'pause when more of the nodes that ended have failed').argParser(wholeNumber(0, 100)).default(10))
    .addOption(new Option('--min-sample <n>', 'but not before so many nodes have ended').argParser(wholeNumber(1, 100_000)).default(5))
    .action((key: string, options: SetOptions, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const { inFlight, per, pauseAbove, minSample } = options;
          const canaries = options.canary ?? options.canaries ?? null;
          const body = { canaries, in_flight: inFlight, per, pause_above: pauseAbove, min_sample: minSample };
          output.print(await client().deployments.setRollout(key, body, { signal }), (answer) => rolloutText(answer, output.look));
        },
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
}

const TURNS = [
  { verb: 'pause', description: 'start nothing more of the rollout; what runs goes on to its end' },
  { verb: 'resume', description: 'go on with a paused rollout; the failures there are count no more' },
  { verb: 'abort', description: 'end the rollout where it stands: what has begun finishes, the rest is held back until the next commit' },
] as const;

/** `prybar rollout`: a deployment changed a few nodes at a time. */
export function addRollout(program: Command, cli: Cli): void {
  const rollout = program.command('rollout').description('rolling changes: canaries, how many at a time, pause, resume, abort');
  rollout
    .command('show')
    .description('the policy of a deployment, and how far its rollout is')
    .argument('<deployment>', 'id or name')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => output.print(await client().deployments.rollout(key, { signal }), (answer) => rolloutText(answer, output.look)),
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
  addSet(rollout, cli);
  for (const { verb, description } of TURNS)
    rollout
      .command(verb)
      .description(description)
      .argument('<deployment>', 'id or name')
      .action((key: string, _options: unknown, command: Command) =>
        cli.run(
          command,
          async ({ client, output, signal }) =>
            output.print(await client().deployments.turnRollout(key, verb, { signal }), (answer) => rolloutText(answer, output.look)),
          `prybar rollout show ${key}`,
        ),
      );
  rollout
    .command('remove')
    .description('take the policy away and end the rollout: the rest goes without limits')
    .argument('<deployment>', 'id or name')
    .action((key: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          await client().deployments.removeRollout(key, { signal });
          output.hint(`${key}: no rollout policy any more`);
        },
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
}
