import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import type { DnsRecord, Zone, ZoneFile } from '../answers.js';
import { readJsonObject } from '../json-argument.js';
import { printList, readList, withPaging, wholeNumber, type ListOptions } from '../listing.js';
import type { Cli, Session } from '../session.js';
import { renderFields, renderTable, type Column } from '../table.js';
import { printableLine } from '../terminal/text-width.js';

const LARGEST_ID = 2_147_483_647;
const list = (text: string): string[] => text.split(',').filter((word) => word !== '');

const ZONES: Column<Zone>[] = [
  { title: 'ZONE', value: (zone) => zone.name, tone: () => 'strong' },
  { title: 'RECORDS', value: (zone) => String(zone.records), align: 'right' },
  { title: 'SERIAL', value: (zone) => String(zone.serial), align: 'right' },
  { title: 'TTL', value: (zone) => String(zone.ttl), align: 'right' },
  { title: 'SECONDARIES', value: (zone) => zone.secondaries.join(',') || '-' },
  { title: 'FROM', value: (zone) => (zone.written ? 'operator' : 'networks'), tone: () => 'dim' },
];

const RECORDS: Column<DnsRecord>[] = [
  { title: 'ID', value: (record) => String(record.id), align: 'right', tone: () => 'dim' },
  { title: 'NAME', value: (record) => record.name, tone: () => 'strong' },
  { title: 'TYPE', value: (record) => record.type },
  { title: 'VALUE', value: (record) => printableLine(record.value) },
];

/** One zone to stdout, or every zone as a file of its own. */
async function exportZones({ client, output, signal, cwd }: Session, zone: string | undefined, directory: string | undefined): Promise<void> {
  const names = zone === undefined ? (await client().dns.zones({ signal })).items.map((each) => each.name) : [zone];
  const files: ZoneFile[] = [];
  for (const name of names) files.push(await client().dns.zoneFile(name, { signal }));
  const items = { items: files, total: files.length };
  if (directory === undefined)
    return output.print(items, () =>
      files
        .map((file) => file.text)
        .join('\n')
        .trimEnd(),
    );
  const folder = path.resolve(cwd, directory);
  mkdirSync(folder, { recursive: true });
  // The server names files by host names alone; the last part is taken all the same.
  for (const file of files) writeFileSync(path.join(folder, path.basename(file.file)), file.text);
  output.print(items, () => files.map((file) => path.join(directory, path.basename(file.file))).join('\n'));
}

function addZones(dns: Command, cli: Cli): void {
  dns
    .command('zones')
    .description('the zones: of each network’s domain, of its addresses, and your own')
    .action((_options: unknown, command: Command) =>
      cli.run(command, async ({ client, output, signal }) => {
        const zones = await client().dns.zones({ signal });
        output.print(zones, () => (zones.items.length === 0 ? '' : renderTable(ZONES, zones.items, output.look, output.width)));
        if (zones.items.length === 0) output.hint('no zones: each network makes one of its domain; next: prybar networks create');
      }),
    );
  dns
    .command('zone')
    .description('make a zone, or say what is special about one; what is left out is the default again')
    .argument('<name>', 'its name, without the last dot')
    .option('--filter <json>', 'which allocations get a name in it: {"roles": ["ceph"], "networks": ["vm"]}')
    .option('--template <template>', 'first part of those names: {{node}}{{suffix}}, {{network}}, {{deployment}}, {{address}}')
    .option('--ttl <seconds>', 'how long an answer is good for', wholeNumber(1, 604_800))
    .option('--nameservers <names>', 'its name servers, the primary first, comma separated', list)
    .option('--contact <mail>', 'who answers for it')
    .option('--secondaries <addresses>', 'who may transfer it and is told of changes, comma separated, with :port where it is not 53', list)
    .action(
      (
        name: string,
        options: { filter?: string; template?: string; ttl?: number; nameservers?: string[]; contact?: string; secondaries?: string[] },
        command: Command,
      ) =>
        cli.run(
          command,
          async ({ client, output, signal, cwd }) => {
            const { filter, ...rest } = options;
            const body = { ...rest, ...(filter === undefined ? {} : { filter: readJsonObject(filter, '--filter', cwd) }) };
            const zone = await client().dns.putZone(name, pick(body), { signal });
            output.print(zone, () => renderTable(ZONES, [zone], output.look, output.width));
          },
          'prybar dns zones',
        ),
    );
  dns
    .command('forget-zone')
    .description('take away what was said of a zone')
    .argument('<name>', 'as `dns zones` shows it')
    .action((name: string, _options: unknown, command: Command) =>
      cli.run(command, async ({ client, signal }) => client().dns.removeZone(name, { signal }), 'prybar dns zones'),
    );
  dns
    .command('export')
    .description('zones as files that BIND, NSD and PowerDNS read')
    .argument('[zone]', 'this one; default all')
    .option('--directory <dir>', 'write a file for each zone there instead of printing')
    .action((zone: string | undefined, options: { directory?: string }, command: Command) =>
      cli.run(command, (session) => exportZones(session, zone, options.directory), 'prybar dns zones'),
    );
}

/** The fields of a zone, without those that were not said. */
function pick(body: object): Parameters<ReturnType<Session['client']>['dns']['putZone']>[1] {
  const known = ['filter', 'template', 'ttl', 'nameservers', 'contact', 'secondaries'];
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => known.includes(name) && value !== undefined));
}

function addRecords(dns: Command, cli: Cli): void {
  withPaging(dns.command('records').description('the records that operators wrote'))
    .option('--search <text>', 'part of a name or value')
    .action((options: ListOptions & { search?: string }, command: Command) =>
      cli.run(command, async (session) => {
        const { client, signal } = session;
        const filter = options.search === undefined ? {} : { q: options.search };
        const page = await readList(options, (query) => client().dns.records({ ...query, ...filter }, { signal }));
        printList(session, page, RECORDS, 'no records of your own; next: prybar dns add www.example.com CNAME web1.example.com');
      }),
    );
  dns
    .command('add')
    .description('write a record: an alias, an address elsewhere, a text')
    .argument('<name>', 'whole name')
    .addArgument(dns.createArgument('<type>', 'A, AAAA, CNAME or TXT').choices(['A', 'AAAA', 'CNAME', 'TXT']))
    .argument('<value>', 'an address, a name or a text')
    .action((name: string, type: 'A' | 'AAAA' | 'CNAME' | 'TXT', value: string, _options: unknown, command: Command) =>
      cli.run(
        command,
        async ({ client, output, signal }) =>
          output.print(await client().dns.createRecord({ name, type, value }, { signal }), (record) =>
            renderFields([['record', `${record.name} ${record.type} ${printableLine(record.value)} (${record.id})`]], output.look),
          ),
        'prybar dns zones',
      ),
    );
  dns
    .command('remove')
    .description('delete a record')
    .argument('<id>', 'as `dns records` shows it', wholeNumber(1, LARGEST_ID))
    .action((id: number, _options: unknown, command: Command) =>
      cli.run(command, async ({ client, signal }) => client().dns.removeRecord(id, { signal }), 'prybar dns records'),
    );
}

/** `prybar dns`: the names of machines. */
export function addDns(program: Command, cli: Cli): void {
  const dns = program.command('dns').description('the names of machines: zones, records, zone files');
  addZones(dns, cli);
  addRecords(dns, cli);
}
