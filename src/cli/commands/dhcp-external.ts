import { Argument, Option, type Command } from 'commander';
import type { ExternalServer, Snippet } from '../answers.js';
import { confirm } from '../confirm.js';
import type { Cli } from '../session.js';
import { renderTable, type Column } from '../table.js';
import { printableLine } from '../terminal/text-width.js';

const SNIPPET_SERVERS = ['dnsmasq', 'isc', 'kea', 'dnsmasq-driven', 'isc-driven', 'isc-omapi'] as const;

const COLUMNS: Column<ExternalServer>[] = [
  { title: 'NAME', value: (server) => server.name, tone: () => 'strong' },
  { title: 'KIND', value: (server) => server.kind },
  { title: 'HOST', value: (server) => printableLine(server.host) },
  { title: 'NETWORKS', value: (server) => server.networks.join(',') || 'all' },
  { title: 'SERVED', value: (server) => `${server.served_revision} of ${server.revision}`, align: 'right' },
  { title: 'HOSTS', value: (server) => String(server.hosts), align: 'right' },
  {
    title: 'PROBLEM',
    value: (server) => (server.problem === null ? (server.driven ? '-' : 'nobody drives it') : printableLine(server.problem)),
    tone: (server) => (server.problem === null && server.driven ? 'dim' : 'error'),
  },
];

function snippetText({ text, external_yml: externalYml, notes }: Snippet): string {
  return [
    text.trimEnd(),
    ...(externalYml === null
      ? []
      : [
          '',
          '# and in external.yml of Prybar:',
          ...externalYml
            .trimEnd()
            .split('\n')
            .map((line) => `# ${line}`),
        ]),
    ...notes.map((note) => `# note: ${note}`),
  ].join('\n');
}

/** `prybar dhcp external` and `prybar dhcp snippet`: Prybar beside the DHCP servers of the site. */
export function addDhcpExternal(dhcp: Command, cli: Cli): void {
  dhcp
    .command('snippet')
    .description('what to add to a DHCP server of the site so that its machines boot from this Prybar')
    .addOption(new Option('--for <server>', 'the server; -driven and isc-omapi: Prybar drives it').choices(SNIPPET_SERVERS).makeOptionMandatory())
    .action((options: { for: (typeof SNIPPET_SERVERS)[number] }, command: Command) =>
      cli.run(command, async ({ client, output, signal }) => output.print(await client().externalServers.snippet(options.for, { signal }), snippetText)),
    );
  const external = dhcp.command('external').description('DHCP and TFTP servers of the site that Prybar drives');
  external
    .command('list')
    .description('the servers, what they serve, and what keeps them from more')
    .option('--problem', 'only those with a problem')
    .action((options: { problem?: boolean }, command: Command) =>
      cli.run(command, async ({ client, output, signal }) =>
        output.print(await client().externalServers.list(options.problem === true ? { problem: 'true' } : {}, { signal }), ({ items }) =>
          items.length === 0
            ? 'no server: external.yml in PRYBAR_HOME names them (docs/external-dhcp.md)'
            : renderTable(COLUMNS, items, output.look, output.width),
        ),
      ),
    );
  external
    .command('remove')
    .description('wait no more for a server that is gone for good')
    .addArgument(new Argument('<name>', 'as `dhcp external list` shows it'))
    .option('-y, --yes', 'do not ask')
    .action((name: string, options: { yes?: boolean }, command: Command) =>
      cli.run(command, async (session) => {
        await confirm(session, {
          question: `Call nodes served without ${name} having confirmed?`,
          yes: options.yes,
          next: `prybar dhcp external remove ${name} --yes`,
        });
        await session.client().externalServers.remove(name, { signal: session.signal });
        session.output.hint(`${name} removed`);
      }),
    );
}
