import type { Command } from 'commander';
import { CliError, ExitCode } from '../failure.js';
import type { Cli } from '../session.js';
import { countText } from '../terminal/words.js';

/** `prybar nodes move` and `prybar nodes target`. */
export function addNodeMoves(nodes: Command, cli: Cli): void {
  nodes
    .command('move')
    .description('move a node to another deployment; what was only proposed for it comes along')
    .argument('<node>', 'id or name')
    .argument('<deployment>', 'where it goes')
    .action((key: string, deployment: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          const move = await client().nodes.move(key, deployment, { signal });
          output.print(
            move,
            () => `${move.node.name}: from ${move.from.name} to ${move.to.name}, with ${countText(move.noderoles.length, 'proposed noderole')}`,
          );
        },
        `prybar noderoles list --node ${key}`,
      ),
    );
  nodes
    .command('target')
    .description('for debugging: start only one role and what it needs on a node; without a role, show it')
    .argument('<node>', 'id or name')
    .argument('[role]', 'a role bound to it, such as a milestone')
    .option('--clear', 'start everything again')
    .action((key: string, role: string | undefined, options: { clear?: boolean }, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) => {
          if (role !== undefined && options.clear === true)
            throw new CliError({ exitCode: ExitCode.usage, code: 'say-which', detail: 'say either a role or --clear' });
          const target =
            role === undefined && options.clear !== true
              ? await client().nodes.target(key, { signal })
              : await client().nodes.setTarget(key, { role: role ?? null }, { signal });
          output.print(
            target,
            () => `${target.node.name}: ${target.role === null ? 'no target role; everything is started' : `target role ${target.role.name}`}`,
          );
        },
        `prybar noderoles list --node ${key}`,
      ),
    );
}
