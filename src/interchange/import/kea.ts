/** PURE: reservations of Kea's configuration, and the leases of its memfile. Kea ARM, "Host Reservations in DHCPv4", "Memfile". */
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import { parseIpv4, parseSubnet } from '../../shared/ipv4.js';
import { parseMac } from '../../shared/mac.js';
import { foundName, nothingFound, refuse, type Found, type FoundHost } from './found.js';

/** A string, or a comment as Kea allows them in its JSON: `#`, `//`, and between `/*` and its end. */
const STRING_OR_COMMENT = /"(?:[^"\\\n]|\\.)*"|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

/** JSON is YAML but for comments and tabs; the YAML reader keeps the lines. */
export function readKea(text: string): Found {
  const found = nothingFound();
  const json = text.replace(STRING_OR_COMMENT, (token) => (token.startsWith('"') ? token : token.replace(/[^\n]/g, ' '))).replaceAll('\t', ' ');
  const lines = new LineCounter();
  const document = parseDocument(json, { lineCounter: lines, prettyErrors: false, maxAliasCount: 0 } as Parameters<typeof parseDocument>[1]);
  const [error] = document.errors;
  if (error !== undefined) {
    refuse(found, lines.linePos(error.pos[0]).line, `this is not JSON: ${error.message}`, 'check the file with kea-dhcp4 -t FILE');
    return found;
  }
  const dhcp4 = isMap(document.contents) ? (document.contents.get('Dhcp4') ?? document.contents) : undefined;
  if (!isMap(dhcp4)) {
    refuse(found, 1, 'there is no Dhcp4 in this file', 'give the configuration of kea-dhcp4, or of config-get');
    return found;
  }
  const lineOf = (map: YAMLMap): number => lines.linePos(map.range?.[0] ?? 0).line;
  const shared = mapsIn(dhcp4, 'shared-networks');
  const subnets = [dhcp4, ...shared].flatMap((map) => mapsIn(map, 'subnet4'));
  for (const subnet of subnets) {
    const block = textIn(subnet, 'subnet');
    if (block !== undefined && parseSubnet(block) !== undefined) found.subnets.push(block);
  }
  for (const place of [dhcp4, ...shared, ...subnets])
    for (const host of mapsIn(place, 'reservations')) {
      const read = reservationOf(host, lineOf(host), found);
      if (read !== undefined) found.hosts.push(read);
    }
  return found;
}

function reservationOf(host: YAMLMap, line: number, found: Found): FoundHost | undefined {
  const mac = parseMac(textIn(host, 'hw-address') ?? '');
  const address = textIn(host, 'ip-address');
  if (mac === undefined) {
    const by = ['client-id', 'duid', 'circuit-id', 'flex-id'].find((key) => host.has(key));
    refuse(
      found,
      line,
      by === undefined ? 'a reservation without a hw-address' : `a reservation by ${by}`,
      by === 'circuit-id' ? 'put it into port_reservations of the network (docs/dhcp.md)' : 'a reservation is by MAC: give its hw-address, or leave it out',
    );
    return undefined;
  }
  if (address === undefined || parseIpv4(address) === undefined) {
    found.problems.push({
      line,
      message: `${mac} has no ip-address: there is nothing to reserve`,
      fix: `prybar allocations create NETWORK --mac ${mac} gives it one`,
      blocking: false,
    });
    return undefined;
  }
  return { line, kind: 'reservation', mac, address, hostname: foundName(found, line, textIn(host, 'hostname')), expiresAt: null };
}

function mapsIn(map: YAMLMap, key: string): YAMLMap[] {
  const list = map.get(key);
  return isSeq(list) ? list.items.filter(isMap) : [];
}

function textIn(map: YAMLMap, key: string): string | undefined {
  const value = map.get(key, true);
  return isScalar(value) && typeof value.value === 'string' ? value.value : undefined;
}

/** Kea's own marks in its CSV: a comma in a value. */
const COMMA = /&#x2c/g;
/** `default` of Kea: the address is given; 1 is declined, 2 reclaimed. */
const GIVEN = '0';

/** A journal: the last row of an address counts; one of lifetime 0 says that it is nobody's. */
export function readKeaLeases(text: string): Found {
  const found = nothingFound();
  const [head = '', ...rows] = text.split('\n');
  const columns = head.trim().split(',');
  const at = (name: string): number => columns.indexOf(name);
  const leases = new Map<string, FoundHost | null>();
  for (const [index, row] of rows.entries()) {
    const line = index + 2;
    if (row.trim() === '') continue;
    const fields = row.trim().split(',');
    const field = (name: string): string => (fields[at(name)] ?? '').replace(COMMA, ',');
    // Kea writes its header again when it appends to a file.
    if (field('address') === 'address') continue;
    if (parseIpv4(field('address')) === undefined || !/^\d{1,12}$/.test(field('expire'))) {
      refuse(found, line, 'this is no row of a lease', `a row has the ${columns.length} columns of line 1, an IPv4 address and the end in seconds among them`);
      continue;
    }
    leases.set(field('address'), leaseOf(field, line, found));
  }
  found.hosts.push(...[...leases.values()].filter((lease) => lease !== null));
  return found;
}

function leaseOf(field: (name: string) => string, line: number, found: Found): FoundHost | null {
  if (field('valid_lifetime') === '0' || field('state') !== GIVEN) return null;
  const mac = parseMac(field('hwaddr'));
  if (mac === undefined) {
    refuse(found, line, `the lease of ${field('address')} has no hwaddr`, 'only leases by MAC can be taken over; let it end, or leave it out');
    return null;
  }
  return { line, kind: 'lease', mac, address: field('address'), hostname: foundName(found, line, field('hostname')), expiresAt: Number(field('expire')) };
}
