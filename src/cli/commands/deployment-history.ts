import type { Command } from 'commander';
import type { RevisionHead, Rollback } from '../answers.js';
import { printList, readList, wholeNumber, withPaging, type ListOptions } from '../listing.js';
import type { Cli } from '../session.js';
import { renderFields, type Column } from '../table.js';
import type { Look } from '../terminal/look.js';
import { printableLine } from '../terminal/text-width.js';
import { countText } from '../terminal/words.js';
import { planText } from './deployment-plan.js';
import { changesText } from './revision-text.js';

const LOOK_FOR_DEPLOYMENTS = 'prybar deployments list';
const REVISION = wholeNumber(1, 2_147_483_647);

const COLUMNS: Column<RevisionHead>[] = [
  { title: 'REVISION', value: (head) => String(head.revision), align: 'right', tone: () => 'strong' },
  { title: 'AT', value: (head) => head.at.replace('T', ' ').replace(/\.\d+Z$/, 'Z') },
  { title: 'BY', value: (head) => head.author },
  { title: 'WHAT', value: whatText },
  { title: 'COMMENT', value: (head) => head.comment, tone: () => 'dim' },
];

function whatText({ noderoles, data, unbound }: RevisionHead): string {
  const parts = [
    ...(noderoles > 0 ? [`${countText(noderoles, 'noderole')} committed`] : []),
    ...(data > 0 ? [`data of ${data} changed`] : []),
    ...(unbound > 0 ? [`${unbound} gone`] : []),
  ];
  return parts.join(', ') || 'nothing new';
}

function rollbackText(answer: Rollback, name: string, look: Look, width: number | undefined): string {
  const lines = [`revision ${answer.revision} of ${name} is proposed; nothing is committed`];
  const list = (title: string, names: readonly string[]): void => void (names.length > 0 && lines.push(`${title}: ${printableLine(names.join(', '))}`));
  list('data proposed', answer.data);
  list('bound again', answer.bound);
  list('unbound', answer.unbound);
  for (const { name: kept, why } of answer.kept) lines.push(look.paint('warn', `stays: ${kept} (${printableLine(why)})`));
  for (const { name: lost, why } of answer.lost) lines.push(look.paint('warn', `cannot be brought back: ${lost} (${printableLine(why)})`));
  return `${lines.join('\n')}\n\n${planText(answer.plan, look, width)}`;
}

/** `prybar deployments history`, `diff` and `rollback`. */
export function addDeploymentHistory(deployments: Command, cli: Cli): void {
  withPaging(deployments.command('history').description('its revisions, the newest first: who committed what, when and why'))
    .argument('<deployment>', 'id or name')
    .action((key: string, options: ListOptions, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const list = await readList(options, (query) => session.client().deployments.revisions(key, query, { signal: session.signal }));
          printList(session, list, COLUMNS, `${key} was never committed; what a commit would do: prybar plan ${key}`);
        },
        LOOK_FOR_DEPLOYMENTS,
      ),
    );
  deployments
    .command('diff')
    .description('what a revision changed, or what differs between two')
    .argument('<deployment>', 'id or name')
    .argument('<revision>', 'its number', REVISION)
    .argument('[later]', 'compare with this one; without it, what the first changed', REVISION)
    .action((key: string, revision: number, later: number | undefined, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const answer =
            later === undefined
              ? await client().deployments.revision(key, revision, { signal })
              : await client().deployments.diff(key, later, { against: revision }, { signal });
          output.print(answer, () => changesText(answer.changes, output.look) || 'no difference');
        },
        `prybar deployments history ${key}`,
      ),
    );
  deployments
    .command('rollback')
    .description("propose an older revision's data; shows the plan, commits nothing")
    .argument('<deployment>', 'id or name')
    .requiredOption('--to <revision>', 'its number', REVISION)
    .option('--unbind', 'also unbind what was bound since, where that can be')
    .action((key: string, options: { to: number; unbind?: boolean }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const answer = await client().deployments.rollback(key, { revision: options.to, unbind: options.unbind }, { signal });
          output.print(answer, () => rollbackText(answer, answer.plan.deployment.name, output.look, output.width));
          output.hint(`next: prybar deployments commit ${key} --plan --comment 'back to revision ${options.to}'`);
        },
        `prybar deployments history ${key}`,
      ),
    );
}

/** One revision for `deployments show --revision`. */
export async function showRevision(session: Parameters<Parameters<Cli['run']>[1]>[0], key: string, number: number): Promise<void> {
  const { client, output, signal } = session;
  const revision = await client().deployments.revision(key, number, { signal });
  output.print(revision, () => {
    const fields: [string, string][] = [
      ['revision', String(revision.revision)],
      ['by', printableLine(revision.author)],
      ['at', revision.at],
      ['comment', printableLine(revision.comment) || '-'],
      ['what', whatText(revision)],
    ];
    return `${renderFields(fields, output.look)}\n\n${changesText(revision.changes, output.look)}`;
  });
}
