import { Option, type Command } from 'commander';
import type { BulkResult, NodeRole, NodeRoleState } from '../answers.js';
import { CliError, ExitCode } from '../failure.js';
import { oneOf } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { STATES } from '../terminal/states.js';
import { countText } from '../terminal/words.js';

type BulkOptions = { deployment?: string; role?: string; node?: string; state?: NodeRoleState; allErrors?: boolean; dryRun?: boolean };

type Verb = {
  name: 'retry' | 'rerun';
  description: string;
  one: (session: Session, key: string) => Promise<NodeRole>;
  many: (
    session: Session,
    body: { [Filter in 'deployment' | 'role' | 'node']?: string | undefined } & { state?: NodeRoleState | undefined; dry_run: boolean },
  ) => Promise<BulkResult>;
  done: string;
};

const VERBS: Verb[] = [
  {
    name: 'retry',
    description: 'try a noderole in ERROR again, or all that a filter names',
    one: ({ client, signal }, key) => client().nodeRoles.retry(key, { signal }),
    many: ({ client, signal }, body) => client().nodeRoles.retryAll(body, { signal }),
    done: 'will be tried again',
  },
  {
    name: 'rerun',
    description: 'run a noderole again whatever its inputs, or all that a filter names',
    one: ({ client, signal }, key) => client().nodeRoles.rerun(key, { signal }),
    many: ({ client, signal }, body) => client().nodeRoles.rerunAll(body, { signal }),
    done: 'will run again',
  },
];

/** What moved, what did not and why. */
function bulkText(result: BulkResult, verb: Verb): string {
  const { matched, moved, marked, others } = result;
  const lines = [
    `${result.dry_run ? 'would touch' : 'touched'} ${moved + marked} of ${countText(matched, 'noderole')}: ${moved} ${result.dry_run ? 'would leave' : 'left'} their state, ${marked} ${verb.done} from where they are`,
  ];
  for (const { reason, count, ids } of others) lines.push(`  ${count} not: ${reason} (${ids.slice(0, 5).join(', ')}${count > 5 ? ', ...' : ''})`);
  return lines.join('\n');
}

/** `prybar noderoles retry` and `rerun`: one by its key, or many by a filter. */
export function addBulk(noderoles: Command, cli: Cli): void {
  for (const verb of VERBS)
    noderoles
      .command(verb.name)
      .description(verb.description)
      .argument('[noderole]', 'id or role@node')
      .option('--deployment <name>', 'all of this deployment')
      .option('--role <role>', 'all of this role')
      .option('--node <node>', 'all on this node')
      .addOption(new Option('--state <state>', 'all in this state').argParser(oneOf(STATES)))
      .addOption(new Option('--all-errors', 'all in ERROR').conflicts('state'))
      .option('--dry-run', 'only count')
      .action((key: string | undefined, options: BulkOptions, command: Command) =>
        cli.run(
          command,
          async (session) => {
            const { deployment, role, node, allErrors } = options;
            const state = allErrors === true ? 'ERROR' : options.state;
            const filtered = deployment !== undefined || role !== undefined || node !== undefined || state !== undefined;
            if (filtered === (key !== undefined))
              throw new CliError({
                exitCode: ExitCode.usage,
                code: 'say-which',
                detail: 'say which: either one noderole, or a filter (--deployment, --role, --node, --state, --all-errors)',
              });
            if (key !== undefined) {
              const noderole = await verb.one(session, key);
              session.output.print(noderole, () => `${noderole.name} ${verb.done}: ${noderole.state}`);
              return;
            }
            session.output.print(await verb.many(session, { deployment, role, node, state, dry_run: options.dryRun === true }), (result) =>
              bulkText(result, verb),
            );
          },
          key === undefined ? 'prybar noderoles list' : `prybar noderoles why ${key}`,
        ),
      );
}
