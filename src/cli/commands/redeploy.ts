import type { Command } from 'commander';
import type { Redeploy } from '../answers.js';
import { confirm } from '../confirm.js';
import type { Cli, Session } from '../session.js';
import { countText } from '../terminal/words.js';

type Redeployable = { noun: string; argument: string; what: string; act: (session: Session, key: string, force?: true) => Promise<Redeploy>; next: string };

/** `redeploy` of a deployment, a node or a noderole: asks, because it erases disks. */
export function addRedeploy(parent: Command, cli: Cli, { noun, argument, what, act, next }: Redeployable): void {
  parent
    .command('redeploy')
    .description(`install ${what} anew: ERASES the disk. Asks first`)
    .argument(`<${noun}>`, argument)
    .option('--yes', 'do not ask')
    .option('--force', 'break off even a step that must not be, such as a firmware update')
    .action((key: string, options: { yes?: boolean; force?: true }, command: Command) =>
      cli.run(
        command,
        async (session) => {
          const { output } = session;
          await confirm(session, {
            question: `Install ${noun} ${key} anew and ERASE ${noun === 'deployment' ? 'the disks of all its machines' : 'its disk'}?`,
            yes: options.yes,
            next: `if that is what you want: prybar ${parent.name()} redeploy ${key} --yes`,
          });
          const done = await act(session, key, options.force);
          output.print(done, () => `${countText(done.nodes.length, 'machine')} will be installed anew: ${done.nodes.join(', ')}`);
        },
        next,
      ),
    );
}
