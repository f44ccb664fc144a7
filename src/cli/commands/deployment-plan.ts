import { Option, type Command } from 'commander';
import type { Plan } from '../answers.js';
import { ClientError } from '../../client/client.js';
import { PLAN_REASONS } from '../../client/plan-words.js';
import { confirm } from '../confirm.js';
import { CliError, ExitCode } from '../failure.js';
import type { Cli, Session } from '../session.js';
import { wholeNumber } from '../listing.js';
import { renderTable } from '../table.js';
import type { Look, Tone } from '../terminal/look.js';
import { printableLine } from '../terminal/text-width.js';
import { countText } from '../terminal/words.js';
import { watchDeployment } from '../watch/watch.js';
import { changeLine } from './revision-text.js';

type PlanOptions = { withParents?: boolean };
type CommitOptions = PlanOptions & { watch?: boolean; timeout: number; plan?: boolean; yes?: boolean; comment?: string };

const TONES: Record<'danger' | 'warn' | 'info', Tone> = { danger: 'error', warn: 'warn', info: 'plain' };
/** Node names in a row of the table; the whole list is in --json. */
const NAMES_SHOWN = 6;
const DATA_SHOWN = 20;

function someNames(names: readonly string[]): string {
  return names.length > NAMES_SHOWN ? `${names.slice(0, NAMES_SHOWN).join(', ')} and ${names.length - NAMES_SHOWN} more` : names.join(', ');
}

/** What would happen, for people: the sentences, the order of work, the data. */
export function planText(plan: Plan, look: Look, width: number | undefined): string {
  const parts = [look.paint('title', `Plan of ${plan.deployment.name}, revision ${plan.revision}`)];
  parts.push(
    plan.words
      .map(({ tone, text }) => look.paint(TONES[tone], `${tone === 'danger' ? '!! ' : tone === 'warn' ? ' ! ' : '   '}${printableLine(text)}`))
      .join('\n'),
  );
  const rows = plan.waves.flatMap((groups, index) => groups.map((group) => ({ wave: index + 1, ...group })));
  if (rows.length > 0) {
    const columns = [
      { title: 'WAVE', value: (row: (typeof rows)[number]) => String(row.wave), align: 'right' as const },
      { title: 'ROLE', value: (row: (typeof rows)[number]) => row.role },
      { title: 'WHY', value: (row: (typeof rows)[number]) => PLAN_REASONS[row.reason] },
      { title: 'NODES', value: (row: (typeof rows)[number]) => String(row.nodes.length), align: 'right' as const },
      { title: '', value: (row: (typeof rows)[number]) => someNames(row.nodes), tone: () => 'dim' as const },
    ];
    parts.push(renderTable(columns, rows, look, width));
  }
  if (plan.data.length > 0) {
    const lines = plan.data.slice(0, DATA_SHOWN).map((change) => {
      const where = change.nodes === null ? `${change.role}, for all its nodes here` : `${change.role} on ${someNames(change.nodes)}`;
      return `   ${printableLine(where)}: ${changeLine(change)}`;
    });
    if (plan.data.length > DATA_SHOWN) lines.push(`   and ${plan.data.length - DATA_SHOWN} more (--json has them all)`);
    parts.push([look.paint('dim', 'DATA'), ...lines].join('\n'));
  }
  return parts.join('\n\n');
}

/** `prybar plan`: what a commit would do. */
export function addPlan(program: Command, cli: Cli): void {
  program
    .command('plan')
    .description('what a commit would do: what runs and in which order, which machines reboot, which disks are erased, which data changes. Changes nothing')
    .argument('<deployment>', 'id or name')
    .option('--with-parents', 'as if proposed parents in other deployments were committed along')
    .action((key: string, options: PlanOptions, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const plan = await client().deployments.plan(key, bodyOf(options), { signal });
          output.print(plan, () => planText(plan, output.look, output.width));
          if (plan.refusals.length === 0) output.hint(`next: prybar deployments commit ${key} --plan`);
        },
        'prybar deployments list',
      ),
    );
}

const bodyOf = ({ withParents }: PlanOptions): { with_parents: true } | undefined => (withParents === true ? { with_parents: true } : undefined);

/** `prybar deployments commit`. */
export function addCommit(deployments: Command, cli: Cli): void {
  deployments
    .command('commit')
    .description('commit what is proposed: the annealer begins to work on it')
    .argument('<deployment>', 'id or name')
    .option('--plan', 'show the plan first and ask; commits that plan and no other. Without a terminal: commits unless disks are erased')
    .option('--yes', 'with --plan: do not ask')
    .option('--comment <text>', 'why, for the history')
    .option('--with-parents', 'commit proposed parents in other deployments along')
    .option('--watch', 'then watch it; the exit code tells how it ended')
    .addOption(
      new Option('--timeout <seconds>', 'stop watching after this long, with what is still not ACTIVE').argParser(wholeNumber(1, 604_800)).default(3600),
    )
    .action((key: string, options: CommitOptions, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { client, output, signal } = session;
          const planHash = options.plan === true ? await reviewed(session, key, options) : undefined;
          const body = { comment: options.comment, plan_hash: planHash, with_parents: options.withParents };
          const result = await client()
            .deployments.commit(key, body, { signal })
            .catch((error: unknown) => {
              throw withNext(error, key);
            });
          const text = (): string => `${result.deployment.name} committed, revision ${result.revision}: ${committedText(result)}`;
          if (options.watch !== true) {
            output.print(result, text);
            output.hint(`next: prybar deployments watch ${key}`);
            return;
          }
          output.printOne(result, text);
          return watchDeployment(session, { deployment: key, timeoutSeconds: options.timeout });
        },
        `bind something first: prybar deployments bind ${key} NODE --role ROLE; deployments: prybar deployments list`,
      ),
    );
}

/** A commit of changed data alone takes nothing out of PROPOSED. */
function committedText({ committed, changed = 0 }: { committed: number; changed?: number | undefined }): string {
  return committed === 0 && changed > 0 ? `${countText(changed, 'noderole')} with changed data` : countText(committed, 'noderole');
}

const NEXT: Record<string, (key: string) => string> = {
  'parents-proposed': (key) => `look at it: prybar plan ${key} --with-parents; take them along: prybar deployments commit ${key} --with-parents`,
  'plan-changed': (key) => `prybar deployments commit ${key} --plan`,
  'nothing-to-commit': (key) => `prybar deployments watch ${key}`,
};

/** The refusals of a commit that need something else than a bind. */
function withNext(error: unknown, key: string): unknown {
  const next = error instanceof ClientError ? NEXT[error.code] : undefined;
  if (!(error instanceof ClientError) || next === undefined) return error;
  return new CliError({ exitCode: ExitCode.failed, code: error.code, status: error.status, detail: error.detail, next: next(key) }, error);
}

/** Shows the plan on stderr, where hints are, and answers its hash when it was agreed to. Throws CliError when not. */
async function reviewed(session: Session, key: string, options: CommitOptions): Promise<string> {
  const { client, output, signal } = session;
  const plan = await client().deployments.plan(key, bodyOf(options), { signal });
  if (!output.json) session.stderr.write(`${planText(plan, output.look, output.width)}\n\n`);
  // The commit itself says why it is refused.
  if (plan.refusals.length > 0) return plan.hash;
  const erased = plan.erases.filter((erase) => !erase.underway).length;
  if (session.ask === undefined && erased === 0) return plan.hash;
  await confirm(session, {
    question: erased === 0 ? `Commit ${plan.deployment.name}?` : `Commit ${plan.deployment.name} and ERASE the disks of ${countText(erased, 'machine')}?`,
    yes: options.yes,
    next: `look at it: prybar plan ${key}; then: prybar deployments commit ${key} --plan --yes`,
  });
  return plan.hash;
}
