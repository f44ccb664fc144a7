import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Option, type Command } from 'commander';
import type { DhcpImported } from '../answers.js';
import { CliError, ExitCode } from '../failure.js';
import type { Cli } from '../session.js';
import { renderTable, type Column } from '../table.js';
import { printableLine } from '../terminal/text-width.js';

const FORMATS = ['isc', 'dnsmasq', 'dnsmasq-leases', 'kea', 'kea-leases'] as const;
type ImportOptions = { format?: (typeof FORMATS)[number]; network?: string; leases: boolean; dryRun?: boolean; skipProblems?: boolean };

type Item = DhcpImported['items'][number];
type Problem = DhcpImported['problems'][number];

const WORDS: Record<Item['action'], string> = { create: 'take over', exists: 'is here', ended: 'over', skipped: 'left out' };

const ITEMS: Column<Item>[] = [
  { title: 'LINE', value: (item) => String(item.line), align: 'right', tone: () => 'dim' },
  { title: 'WHAT', value: (item) => WORDS[item.action], tone: (item) => (item.action === 'create' ? 'active' : 'dim') },
  { title: 'KIND', value: (item) => item.kind },
  { title: 'ADDRESS', value: (item) => item.address, tone: () => 'strong' },
  { title: 'MAC', value: (item) => item.mac },
  { title: 'WHOSE', value: (item) => printableLine(item.node ?? item.hostname ?? '-') },
  { title: 'NETWORK', value: (item) => item.network },
];

const PROBLEMS: Column<Problem>[] = [
  { title: 'LINE', value: (problem) => String(problem.line), align: 'right', tone: () => 'dim' },
  { title: 'PROBLEM', value: (problem) => printableLine(problem.message), tone: (problem) => (problem.blocking ? 'error' : 'warn') },
  { title: 'FIX', value: (problem) => printableLine(problem.fix) },
];

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CliError({
      exitCode: ExitCode.usage,
      code: 'no-file',
      detail: `${file} cannot be read: ${String(cause)}`,
      next: 'name a file of the other server',
    });
  });
}

/** `prybar dhcp import`: what a server had that Prybar replaces. */
export function addImport(dhcp: Command, cli: Cli): void {
  dhcp
    .command('import')
    .description('take over the reservations and leases of ISC dhcpd, dnsmasq or Kea: all of a file, or nothing; exit 1 when nothing was written')
    .argument('<file>', 'dhcpd.conf, dhcpd.leases, dnsmasq.conf or its hosts file, dnsmasq.leases, kea-dhcp4.conf, kea-leases4.csv')
    .addOption(new Option('--format <format>', 'default: by what stands in the file').choices(FORMATS))
    .option('--network <network>', 'only what lies in this network')
    .option('--no-leases', 'reservations alone')
    .option('--dry-run', 'show what would be done')
    .option('--skip-problems', 'take over what can be, in spite of problems')
    .action((file: string, options: ImportOptions, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal, cwd }) => {
          const { format, network, leases, dryRun = false, skipProblems = false } = options;
          const text = await readText(path.resolve(cwd, file));
          const given = { ...(format === undefined ? {} : { format }), ...(network === undefined ? {} : { network }) };
          const answer = await client().dhcp.import({ text, leases, dry_run: dryRun, skip_problems: skipProblems, ...given }, { signal });
          output.print(answer, () =>
            [
              answer.items.length === 0 ? 'nothing to take over' : renderTable(ITEMS, answer.items, output.look, output.width),
              ...(answer.problems.length === 0 ? [] : [renderTable(PROBLEMS, answer.problems, output.look, output.width)]),
            ].join('\n\n'),
          );
          output.hint(outcome(answer, dryRun));
          const isHeld = !answer.applied && answer.problems.some(({ blocking }) => blocking) && !skipProblems;
          return isHeld ? ExitCode.failed : ExitCode.ok;
        },
        'prybar networks list',
      ),
    );
}

function outcome({ applied, counts, problems }: DhcpImported, isDry: boolean): string {
  const { reservations, leases } = counts;
  const what = `${reservations} reservation${reservations === 1 ? '' : 's'} and ${leases} lease${leases === 1 ? '' : 's'}`;
  if (applied) return `${what} taken over; stop the other server before Prybar answers: prybar dhcp check`;
  const blocking = problems.filter((problem) => problem.blocking).length;
  if (blocking > 0) return `nothing was written: ${blocking} problem${blocking === 1 ? '' : 's'} first, or --skip-problems`;
  return isDry ? `${what} would be taken over; without --dry-run they are` : 'nothing was written';
}
