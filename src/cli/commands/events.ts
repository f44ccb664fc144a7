import { Option, type Command } from 'commander';
import type { ApiEvent } from '../../client/client.js';
import { wholeNumber } from '../listing.js';
import type { Cli } from '../session.js';
import type { Look } from '../terminal/look.js';
import { isState, stateTone } from '../terminal/states.js';
import { printableLine } from '../terminal/text-width.js';

type EventsCommandOptions = { follow?: boolean; after?: string; for: number };

/** One event on one line: when, what, about whom, and what it carries. */
export function eventText(event: ApiEvent, look: Look): string {
  if (event.type === 'reset') return look.paint('warn', 'reset: events were missed, the server no longer has them');
  const values = Object.entries(event.data).map(([name, value]) => {
    const text = printableLine(typeof value === 'string' ? value : JSON.stringify(value));
    return `${look.paint('dim', `${printableLine(name)}=`)}${isState(value) ? look.paint(stateTone(value), text) : text}`;
  });
  return `${look.paint('dim', event.at)}  ${printableLine(event.kind)} ${printableLine(event.subject_type)} ${event.subject_id}  ${values.join(' ')}`.trimEnd();
}

/** `prybar events`: the stream everything else is made from. */
export function addEvents(program: Command, cli: Cli): void {
  program
    .command('events')
    .description('what happens, one line an event; with --json one JSON document a line')
    .option('-f, --follow', 'until Ctrl-C')
    .option('--after <cursor>', 'begin after this cursor, an `id` of the stream; default now')
    .addOption(new Option('--for <seconds>', 'without --follow: listen this long').argParser(wholeNumber(1, 86_400)).default(2))
    .action((options: EventsCommandOptions, command: Command) =>
      cli.run(command, async ({ client, output, signal }) => {
        // The stream itself never says that it cannot be reached: it tries again. This does, before it begins.
        await client().anneal({ signal });
        const until = options.follow === true ? signal : AbortSignal.any([signal, AbortSignal.timeout(options.for * 1000)]);
        for await (const event of client().events({ after: options.after, signal: until })) {
          const { type: _type, ...answer } = event;
          output.printOne(answer, () => eventText(event, output.look));
        }
      }),
    );
}
