import type { Command } from 'commander';
import type { Cli } from '../session.js';
import { renderFields } from '../table.js';
import { stateCountsText } from '../terminal/states.js';
import { rateText } from '../terminal/words.js';

/** `prybar anneal`: whether there is anything left to do. */
export function addAnneal(program: Command, cli: Cli): void {
  program
    .command('anneal')
    .description('what the annealer is doing: finished, working or error')
    .action((_options: unknown, command: Command) =>
      cli.run(command, async ({ client, output, signal }) => {
        output.print(await client().anneal({ signal }), (anneal) => {
          const { runs } = anneal;
          return renderFields(
            [
              ['state', output.look.paint(anneal.state === 'error' ? 'error' : anneal.state === 'finished' ? 'active' : 'running', anneal.state)],
              ['noderoles', stateCountsText(anneal.noderoles, output.look)],
              ['runs', `${runs.running} running, ${runs.waiting} waiting, ${runs.queued} queued, ${runs.stopping} stopping`],
              ['pace', `${rateText(anneal.transitions_per_second)} transitions per second`],
              ['next try', anneal.not_before_next ?? 'none waits'],
            ],
            output.look,
          );
        });
      }),
    );
}
