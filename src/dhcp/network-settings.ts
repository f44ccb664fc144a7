/**
 * The columns of `networks` that say how DHCP is done there, read into a Network's fields. Total: what makes no sense becomes a
 * sentence and its default, so that one bad value costs a network one setting and not its answers. The API refuses by the
 * same sentences.
 */
import { formatIpv4, parseIpv4, parseSubnet, subnetContains, type Subnet } from '../shared/ipv4.js';
import { encodeOptions } from './named-options.js';
import { portKey, type DhcpMode, type Network, type OptionMap } from './network.js';

/** The columns, as the database or an API request gives them; absent is the default. */
export type SettingsRow = {
  identify_by?: string;
  min_secs?: number;
  server_identifier?: string | null;
  boot_host?: string | null;
  unknown_quota?: number | null;
  quiet_ra?: boolean;
  relays?: readonly string[];
  relay_modes?: unknown;
  options?: unknown;
  vendor_options?: unknown;
  port_reservations?: unknown;
};

export type NetworkSettings = Pick<
  Network,
  | 'identifyBy'
  | 'minSecs'
  | 'serverIdentifier'
  | 'bootHost'
  | 'unknownQuota'
  | 'quietRa'
  | 'relays'
  | 'relayModes'
  | 'options'
  | 'vendorOptions'
  | 'reservationByPort'
>;

/** What could be read, and what could not, each sentence beginning with the column. */
export type ReadSettings = { readonly settings: NetworkSettings; readonly problems: readonly string[] };

const MODES: ReadonlySet<string> = new Set<DhcpMode>(['authoritative', 'reservations', 'proxy', 'off']);
const HEX = /^(?:[0-9a-f]{2}){1,255}$/;

/** Reads the settings of the network with this subnet. */
export function readSettings(row: SettingsRow, subnet: Subnet): ReadSettings {
  const problems: string[] = [];
  const say = (column: string) => (text: string) => problems.push(`${column}: ${text}`);
  const settings: NetworkSettings = {
    identifyBy: row.identify_by === 'client-id' ? 'client-id' : 'mac',
    minSecs: row.min_secs ?? 0,
    serverIdentifier: readAddress(row.server_identifier, say('server_identifier')),
    bootHost: readAddress(row.boot_host, say('boot_host')),
    unknownQuota: row.unknown_quota ?? undefined,
    quietRa: row.quiet_ra ?? false,
    relays: readBlocks(row.relays ?? [], say('relays')),
    relayModes: readRelayModes(row.relay_modes ?? {}, say('relay_modes')),
    options: readOptions(row.options ?? {}, say('options')),
    vendorOptions: readVendorOptions(row.vendor_options ?? {}, say('vendor_options')),
    reservationByPort: readPorts(row.port_reservations ?? [], subnet, say('port_reservations')),
  };
  return { settings, problems };
}

type Say = (problem: string) => void;

function readAddress(text: string | null | undefined, say: Say): number | undefined {
  if (text === null || text === undefined) return undefined;
  const address = parseIpv4(text);
  if (address === undefined || address === 0) say(`"${text}" is not an IPv4 address such as 10.0.0.2`);
  return address === 0 ? undefined : address;
}

/** Addresses and CIDR blocks. */
function readBlocks(texts: readonly string[], say: Say): Subnet[] {
  return texts.flatMap((text) => {
    const block = parseBlock(text);
    if (block === undefined) say(`"${text}" is not an IPv4 address or a block such as 10.1.0.0/24`);
    return block ?? [];
  });
}

function parseBlock(text: string): Subnet | undefined {
  return parseSubnet(text.includes('/') ? text : `${text}/32`);
}

function readRelayModes(value: unknown, say: Say): Network['relayModes'] {
  if (!isObject(value)) return refuse(say, 'not an object of relay to mode, such as {"10.1.0.1": "proxy"}', []);
  const rows = Object.entries(value).flatMap(([text, mode]) => {
    const relays = parseBlock(text);
    if (relays === undefined) return refuse(say, `"${text}" is not an IPv4 address or a block such as 10.1.0.0/24`, []);
    if (!isMode(mode)) return refuse(say, `the mode of ${text} is none of ${[...MODES].join(', ')}`, []);
    return [{ relays, mode }];
  });
  return rows.sort((a, b) => b.relays.prefix - a.relays.prefix);
}

function readOptions(value: unknown, say: Say): OptionMap {
  const read = encodeOptions(value);
  for (const problem of read.problems) say(problem);
  return read.options;
}

function readVendorOptions(value: unknown, say: Say): Network['vendorOptions'] {
  if (!isObject(value)) return refuse(say, 'not an object of vendor class to options', []);
  const rows = Object.entries(value).map(([vendorClass, options]) => ({
    vendorClass,
    options: readOptions(options, (problem) => say(`${JSON.stringify(vendorClass)}: ${problem}`)),
  }));
  if (rows.some((row) => row.vendorClass === '')) say('"" would match every client: use `options` for those');
  return rows.filter((row) => row.vendorClass !== '').sort((a, b) => a.vendorClass.length - b.vendorClass.length);
}

function readPorts(value: unknown, subnet: Subnet, say: Say): ReadonlyMap<string, number> {
  const byPort = new Map<string, number>();
  if (!Array.isArray(value)) return refuse(say, 'not a list of {circuitId, remoteId, address}', byPort);
  for (const row of value) {
    const fields: Record<string, unknown> = isObject(row) ? row : {};
    const address = typeof fields['address'] === 'string' ? parseIpv4(fields['address']) : undefined;
    const [circuitId, remoteId] = [readId(fields['circuitId']), readId(fields['remoteId'])];
    if (address === undefined || !subnetContains(subnet, address)) {
      say(`address ${JSON.stringify(fields['address'] ?? null)} is not in the network's subnet`);
    } else if (circuitId === null || remoteId === null || (circuitId === undefined && remoteId === undefined)) {
      say(`the port of ${formatIpv4(address)} needs circuitId or remoteId, each as hex of 1 to 255 bytes such as "00040001"`);
    } else if (byPort.has(portKey(circuitId, remoteId)) || [...byPort.values()].includes(address)) {
      say(`${formatIpv4(address)} or its port is there twice`);
    } else {
      byPort.set(portKey(circuitId, remoteId), address);
    }
  }
  return byPort;
}

/** Hex in lower case, undefined when absent, null when it is something else. */
function readId(value: unknown): string | undefined | null {
  if (value === undefined || value === null || value === '') return undefined;
  const digits = typeof value === 'string' ? value.replaceAll(':', '').toLowerCase() : '';
  return HEX.test(digits) ? digits : null;
}

function isMode(value: unknown): value is DhcpMode {
  return typeof value === 'string' && MODES.has(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse<T>(say: Say, problem: string, instead: T): T {
  say(problem);
  return instead;
}
