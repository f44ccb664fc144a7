import type { Command } from 'commander';
import type { Status } from '../answers.js';
import type { Cli } from '../session.js';
import { renderFields, renderTable } from '../table.js';
import type { Look } from '../terminal/look.js';
import { stateCountsText } from '../terminal/states.js';
import { countText, durationText, rateText } from '../terminal/words.js';

function statusText(status: Status, look: Look, width: number | undefined): string {
  const { runs } = status;
  const fields = renderFields(
    [
      ['version', status.version],
      ['up for', durationText(status.uptime_seconds)],
      ['database', status.database.kind],
      ['queue', status.queue.backend],
      ['nodes', `${status.nodes.alive} of ${status.nodes.total} alive`],
      ['noderoles', stateCountsText(status.noderoles, look)],
      ['runs', `${countText(runs.live, 'live run')}: ${runs.running} running, ${runs.waiting} waiting, ${runs.queued} queued, ${runs.stopping} stopping`],
      ['pace', `${rateText(status.transitions_per_second)} transitions per second`],
    ],
    look,
  );
  if (status.servers.length === 0) return fields;
  const servers = renderTable(
    [
      { title: 'BOOT SERVER', value: (server) => server.kind },
      { title: 'HOST', value: (server) => server.host },
      { title: 'STATUS', value: (server) => server.status },
      {
        title: 'SERVED REVISION',
        value: (server) => String(server.served_revision),
        align: 'right',
      },
    ],
    status.servers,
    look,
    width,
  );
  return `${fields}\n\n${servers}`;
}

/** `prybar status`: is the server well, and how far is the fleet. */
export function addStatus(program: Command, cli: Cli): void {
  program
    .command('status')
    .description('the server, its boot servers and the fleet in numbers')
    .action((_options: unknown, command: Command) =>
      cli.run(command, async ({ client, output, signal }) => {
        output.print(await client().status({ signal }), (status) => statusText(status, output.look, output.width));
      }),
    );
}
