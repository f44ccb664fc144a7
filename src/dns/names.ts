/**
 * PURE: which names an allocation has, and the zones there are. The names come from the rows alone, so two servers that read
 * the same revision serve the same.
 */
import { formatIpv4, parseAddressPort, parseIpv4, parseSubnet, type Subnet } from '../shared/ipv4.js';
import { DNS_PORT, RecordType } from './codes.js';
import { isWithin, keyText, nameKey, parentKey, reverseKey } from './name.js';
import { addressData, nameData } from './record.js';
import { defaultSettings, type ZoneRecord, type ZoneSettings } from './zone-set.js';

export type NetworkNaming = { id: number; name: string; category: string; subnet: string; domain: string; suffix: string | null };

/** An address that is a machine's own, with what filters ask about. */
export type Allocation = {
  id: number;
  network_id: number;
  address: string;
  /** Name of a host that is no node (a BMC), or another than the node's. */
  hostname: string | null;
  node: string | null;
  deployment: string | null;
  roles: readonly string[];
};

/** Which allocations a zone takes; an empty list is no condition. All conditions must hold. */
export type ZoneFilter = {
  networks?: readonly string[] | undefined;
  categories?: readonly string[] | undefined;
  deployments?: readonly string[] | undefined;
  roles?: readonly string[] | undefined;
};

export type ZoneRow = {
  id: number;
  name: string;
  filter: ZoneFilter | null;
  /** First part of the name, with `{{node}}` and the like; null: the allocation's own name. */
  template: string | null;
  ttl: number | null;
  nameservers: readonly string[];
  contact: string | null;
  secondaries: readonly string[];
};

/** Placeholders of a template, each with its sentence. */
export const PLACEHOLDERS = {
  node: 'the first part of the node name',
  suffix: "a dash and the network's suffix, or nothing",
  network: 'name of the network',
  deployment: 'name of the deployment',
  address: 'the address with dashes',
} as const;

/** Seconds that an answer is good for when nobody says: a machine that was made anew is found soon. */
export const DEFAULT_TTL = 60;

/** A zone of every network's domain and one for its addresses, and those that the operator made; his words win. */
export function planZones(networks: readonly NetworkNaming[], rows: readonly ZoneRow[]): ZoneSettings[] {
  const apexes = new Set<string>();
  for (const network of networks) {
    const domain = nameKey(network.domain);
    if (domain !== undefined) apexes.add(domain);
  }
  const written = new Map(rows.map((row) => [nameKey(row.name), row]));
  for (const apex of written.keys()) if (apex !== undefined) apexes.add(apex);
  const firstForward = [...apexes].find((apex) => !isReverse(apex));
  for (const network of networks) for (const apex of reverseZones(network.subnet)) apexes.add(apex);
  return [...apexes].map((apex) => {
    // A zone of addresses has no hosts: its name server lives in the first zone of names.
    const home = isReverse(apex) ? (firstForward ?? apex) : apex;
    const settings = defaultSettings(apex, DEFAULT_TTL, serverKey(home));
    const row = written.get(apex);
    return row === undefined ? settings : { ...settings, ...saidOf(row) };
  });
}

function saidOf(row: ZoneRow): Partial<ZoneSettings> {
  const nameservers = row.nameservers.map(nameKey).filter((key) => key !== undefined);
  const contact = row.contact === null ? undefined : nameKey(row.contact.replace('@', '.'));
  return {
    ...(row.ttl === null ? {} : { ttl: row.ttl }),
    ...(nameservers.length === 0 ? {} : { nameservers }),
    ...(contact === undefined ? {} : { contact }),
    secondaries: row.secondaries.map((text) => parseAddressPort(text, DNS_PORT)).filter((each) => each !== undefined),
  };
}

/** `ns.<zone>`: our own name, whose address the server gives itself. */
export function serverKey(zone: string): string {
  return `\x02ns${zone}`;
}

export function isReverse(apex: string): boolean {
  return isWithin(apex, '\x07in-addr\x04arpa\0');
}

/** The zones of a block's addresses: whole bytes, so a block between two of them has several, and a small one its /24. RFC 1035 section 3.5. */
export function reverseZones(subnetText: string): string[] {
  const subnet = parseSubnet(subnetText);
  if (subnet === undefined || subnet.prefix === 0) return [];
  const labels = Math.min(3, Math.ceil(subnet.prefix / 8));
  const step = 2 ** (32 - labels * 8);
  const zones: string[] = [];
  for (let first = firstOf(subnet, step); first <= subnet.last; first += step) {
    const octets = formatIpv4(first).split('.').slice(0, labels).reverse().join('.');
    zones.push(nameKey(`${octets}.in-addr.arpa`) ?? '');
  }
  return zones;
}

function firstOf(subnet: Subnet, step: number): number {
  return Math.floor(subnet.first / step) * step;
}

/** What is needed to name allocations: made once for many. */
export class Naming {
  readonly #networks: ReadonlyMap<number, NetworkNaming>;
  readonly #rows: readonly (ZoneRow & { apex: string })[];
  readonly #apexes: ReadonlySet<string>;

  constructor(networks: readonly NetworkNaming[], rows: readonly ZoneRow[], zones: readonly ZoneSettings[]) {
    this.#networks = new Map(networks.map((network) => [network.id, network]));
    this.#rows = rows.flatMap((row) => {
      const apex = nameKey(row.name);
      return apex === undefined ? [] : [{ ...row, apex }];
    });
    this.#apexes = new Set(zones.map((zone) => zone.apex));
  }

  /** Address records of each name, and one back from the address: to the first name, the allocation's own when a zone has it. */
  recordsOf(allocation: Allocation): ZoneRecord[] {
    const network = this.#networks.get(allocation.network_id);
    const address = parseIpv4(allocation.address);
    if (network === undefined || address === undefined) return [];
    const records: ZoneRecord[] = [];
    let first: string | undefined;
    for (const owner of this.#ownersOf(allocation, network)) {
      const zone = this.#zoneOf(owner);
      if (zone === undefined) continue;
      first ??= owner;
      records.push({ zone, owner, type: RecordType.A, data: addressData(address) });
    }
    const reverse = reverseKey(address);
    const reverseZone = this.#zoneOf(reverse);
    if (first !== undefined && reverseZone !== undefined) records.push({ zone: reverseZone, owner: reverse, type: RecordType.PTR, data: nameData(first) });
    return records;
  }

  #ownersOf(allocation: Allocation, network: NetworkNaming): Set<string> {
    const owners = new Set<string>();
    const own = ownName(allocation, network);
    if (own !== undefined) owners.add(own);
    for (const row of this.#rows) {
      if ((row.filter === null && row.template === null) || !isWanted(row.filter ?? {}, allocation, network)) continue;
      const written = nameKey(`${expand(row.template ?? '{{node}}{{suffix}}', allocation, network)}.${row.name}`);
      if (written !== undefined) owners.add(written);
    }
    return owners;
  }

  /** The nearest zone at or above the name. */
  #zoneOf(owner: string): string | undefined {
    for (let key: string | undefined = owner; key !== undefined; key = parentKey(key)) if (this.#apexes.has(key)) return key;
    return undefined;
  }
}

/** The allocation's own name: `ctrl1.example`, on a network with the suffix `vm` `ctrl1-vm.example`. Undefined when it has none that DNS can hold. */
export function ownName(allocation: Allocation, network: NetworkNaming): string | undefined {
  const name = allocation.hostname ?? (allocation.node === null ? null : suffixed(allocation.node, suffixOf(network)));
  if (name === null || name === '') return undefined;
  return nameKey(name.includes('.') ? name : `${name}.${network.domain}`);
}

/** The same name as text, for lists and exports. */
export function ownNameText(allocation: Allocation, network: NetworkNaming): string | null {
  const key = ownName(allocation, network);
  return key === undefined ? null : keyText(key).slice(0, -1);
}

function suffixed(node: string, suffix: string): string {
  const [first = '', ...rest] = node.split('.');
  return [`${first}${suffix === '' ? '' : `-${suffix}`}`, ...rest].join('.');
}

/** A BMC never takes its machine's name. */
function suffixOf(network: NetworkNaming): string {
  return network.suffix ?? (network.category === 'bmc' ? 'bmc' : '');
}

function isWanted(filter: ZoneFilter, allocation: Allocation, network: NetworkNaming): boolean {
  const has = (wanted: readonly string[] | undefined, value: string | null) =>
    wanted === undefined || wanted.length === 0 || (value !== null && wanted.includes(value));
  return (
    has(filter.networks, network.name) &&
    has(filter.categories, network.category) &&
    has(filter.deployments, allocation.deployment) &&
    (filter.roles === undefined || filter.roles.length === 0 || allocation.roles.some((role) => filter.roles?.includes(role)))
  );
}

function expand(template: string, allocation: Allocation, network: NetworkNaming): string {
  const suffix = suffixOf(network);
  const values: Record<string, string> = {
    node: (allocation.node ?? allocation.hostname ?? '').split('.')[0] ?? '',
    suffix: suffix === '' ? '' : `-${suffix}`,
    network: network.name,
    deployment: allocation.deployment ?? '',
    address: allocation.address.replaceAll('.', '-'),
  };
  return template.replace(/\{\{\s*(\w+)\s*\}\}/g, (_whole, name: string) => values[name] ?? '');
}
