/** PURE: hosts of ISC's dhcpd.conf and the leases of its dhcpd.leases. dhcpd.conf(5), dhcpd.leases(5), dhcp-eval(5). */
import { parseIpv4, parseSubnet } from '../../shared/ipv4.js';
import { parseMac } from '../../shared/mac.js';
import { foundName, nothingFound, notFollowed, refuse, type Found, type FoundHost } from './found.js';
import { parseIsc, unquoted, type Statement } from './isc-syntax.js';

/** Reads either file: a host may stand in both (OMAPI writes hosts into the leases). */
export function readIsc(text: string): Found {
  const found = nothingFound();
  const { statements, unbalancedLine } = parseIsc(text);
  if (unbalancedLine !== null) {
    refuse(found, unbalancedLine, 'the braces of this declaration do not match', 'check the file with dhcpd -t -cf FILE');
    return found;
  }
  const leases = new Map<string, FoundHost | null>();
  const hosts = new Map<string, FoundHost[]>();
  walk(statements, { found, leases, hosts });
  found.hosts.push(...[...hosts.values()].flat(), ...[...leases.values()].filter((lease) => lease !== null));
  return found;
}

type Reading = { found: Found; leases: Map<string, FoundHost | null>; hosts: Map<string, FoundHost[]> };

function walk(statements: readonly Statement[], reading: Reading): void {
  for (const statement of statements) {
    const [word = '', first = ''] = statement.words;
    if (word === 'host') reading.hosts.set(first, hostOf(statement, unquoted(first) ?? '', reading.found));
    // The last declaration of an address counts: the file is a journal.
    else if (word === 'lease' && statement.body !== null) reading.leases.set(first, leaseOf(statement, first, reading.found));
    else if (word === 'include') notFollowed(reading.found, statement.line, `include ${first}`);
    else {
      if (word === 'subnet') subnetOf(statement, reading.found);
      if (statement.body !== null) walk(statement.body, reading);
    }
  }
}

const bodyWords = (statement: Statement, ...start: string[]): string[] | undefined =>
  statement.body?.find(({ words }) => start.every((word, index) => words[index]?.toLowerCase() === word))?.words.slice(start.length);

function hostOf(statement: Statement, name: string, found: Found): FoundHost[] {
  // A host that OMAPI took away again.
  if (bodyWords(statement, 'deleted') !== undefined) return [];
  const { line } = statement;
  const [hardware] = bodyWords(statement, 'hardware', 'ethernet') ?? [];
  const mac = parseMac(hardware ?? '');
  if (mac === undefined) {
    refuse(found, line, `host ${name} has no hardware ethernet that is a MAC`, 'a reservation is by MAC: add one, or leave the host out');
    return [];
  }
  const fixed = (bodyWords(statement, 'fixed-address') ?? []).filter((word) => word !== ',');
  const [address, another] = fixed;
  if (address === undefined) {
    found.problems.push({
      line,
      message: `host ${name} has no fixed-address: there is nothing to reserve`,
      fix: `prybar allocations create NETWORK --mac ${mac} gives it one`,
      blocking: false,
    });
    return [];
  }
  if (parseIpv4(address) === undefined) {
    refuse(found, line, `fixed-address ${address} of host ${name} is a name, which only that server can look up`, 'write its IPv4 address there');
    return [];
  }
  if (another !== undefined)
    refuse(found, line, `host ${name} has several fixed addresses; a MAC has one in a network`, `keep ${address}, or name one host a network`);
  const given = unquoted(bodyWords(statement, 'option', 'host-name')?.[0]);
  return [{ line, kind: 'reservation', mac, address, hostname: foundName(found, line, given ?? name), expiresAt: null }];
}

function leaseOf(statement: Statement, address: string, found: Found): FoundHost | null {
  const { line } = statement;
  if (parseIpv4(address) === undefined) return null;
  // Without the statement the lease is of a version before failover, and active until it ends.
  const state = bodyWords(statement, 'binding', 'state')?.[0]?.toLowerCase() ?? 'active';
  if (state !== 'active') return null;
  const mac = parseMac(bodyWords(statement, 'hardware', 'ethernet')?.[0] ?? '');
  if (mac === undefined) {
    refuse(found, line, `the lease of ${address} has no hardware ethernet`, 'only leases by MAC can be taken over; let it end, or leave it out');
    return null;
  }
  const ends = endOf(bodyWords(statement, 'ends') ?? []);
  if (ends === undefined) {
    refuse(
      found,
      line,
      `the end of the lease of ${address} cannot be read`,
      'it is `ends <weekday> yyyy/mm/dd hh:mm:ss`, `ends epoch <seconds>` or `ends never`',
    );
    return null;
  }
  return { line, kind: 'lease', mac, address, hostname: foundName(found, line, unquoted(bodyWords(statement, 'client-hostname')?.[0])), expiresAt: ends };
}

/** UTC, dhcpd.leases(5). Null: never. Undefined: not readable. */
function endOf(words: readonly string[]): number | null | undefined {
  const [first, second, third] = words;
  if (first === 'never') return null;
  if (first === 'epoch') return /^\d{1,12}$/.test(second ?? '') ? Number(second) : undefined;
  const [, year, month, day] = /^(\d{4})\/(\d\d)\/(\d\d)$/.exec(second ?? '') ?? [];
  const ms = year === undefined ? Number.NaN : Date.parse(`${year}-${month}-${day}T${third ?? ''}Z`);
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
}

function subnetOf({ words }: Statement, found: Found): void {
  const mask = parseIpv4(words[3] ?? '');
  if (mask === undefined) return;
  const subnet = `${words[1] ?? ''}/${32 - Math.round(Math.log2((~mask >>> 0) + 1))}`;
  if (parseSubnet(subnet) !== undefined) found.subnets.push(subnet);
}
