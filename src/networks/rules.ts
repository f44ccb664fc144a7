/** PURE: what makes a network sound beyond its addresses (address.ts): ports that carry it, names, and what is in use on it. */
import type { FieldProblem } from '../shared/errors.js';
import { parseIpv4, parseSubnet } from '../shared/ipv4.js';
import { isHostAddress, networkProblems, subnetsOverlap, type RangeText } from './address.js';

/** A network as an operator wants it, whole. */
export type NetworkWish = {
  name: string;
  subnet: string;
  routers: readonly { address: string; pref: number }[];
  ranges: readonly (RangeText & { conduit?: string | null; vlan?: number | null })[];
  dns: readonly string[];
  domain: string;
  conduit: string | null;
  team_mode: number | null;
  name_template: string | null;
};

/** What stands on a network now. */
export type InUse = {
  /** Reserved or recorded, whose. */
  allocations: readonly { address: string; of: string }[];
  /** Held leases of pool addresses. */
  leases: readonly { address: string; of: string }[];
};

export type OtherNetwork = { name: string; subnet: string; conduits: readonly string[] };

/** Addresses named in a message; the rest is counted. */
const SHOWN = 5;

/** Everything that is wrong, each with the field and what would mend it; empty when it may be written. */
export function wishProblems(wish: NetworkWish, others: readonly OtherNetwork[], inUse: InUse): FieldProblem[] {
  const problems = networkProblems({ name: wish.name, subnet: wish.subnet, ranges: [...wish.ranges] });
  const subnet = parseSubnet(wish.subnet);
  if (subnet === undefined) return problems;
  const overlapping = others.find((other) => subnetsOverlap(other.subnet, wish.subnet));
  if (overlapping !== undefined)
    problems.push({ field: 'subnet', message: `overlaps network ${overlapping.name} (${overlapping.subnet}); choose another block, or make that one smaller` });
  wish.routers.forEach(({ address }, index) => {
    const parsed = parseIpv4(address);
    if (parsed === undefined || !isHostAddress(subnet, parsed))
      problems.push({ field: `routers.${index}.address`, message: `must be a host address in ${wish.subnet}` });
    const range = wish.ranges.find((each) => each.name !== 'router' && isIn(each, address));
    if (range !== undefined)
      problems.push({ field: `routers.${index}.address`, message: `${address} lies in range ${range.name}; begin the range after it, or end it before` });
  });
  wish.dns.forEach((address, index) => {
    if (parseIpv4(address) === undefined) problems.push({ field: `dns.${index}`, message: 'must be an IPv4 address' });
  });
  problems.push(...conduitProblems(wish, others), ...useProblems(wish, inUse));
  if (wish.name_template !== null && wish.name_template.split('{n}').length !== 2)
    problems.push({ field: 'name_template', message: 'must hold {n}, the number, once: for example ctrl{n}' });
  return problems;
}

/** Shrinking under what is in use: names who would lose his address, and what to do. */
function useProblems(wish: NetworkWish, { allocations, leases }: InUse): FieldProblem[] {
  const subnet = parseSubnet(wish.subnet);
  if (subnet === undefined) return [];
  const outside = allocations.filter(({ address }) => !isHostAddress(subnet, parseIpv4(address) ?? -1));
  // A pool address may be outside every range when the network has none of its own; only ranges that are there can lose it.
  const homeless = leases.filter(({ address }) => !wish.ranges.some((range) => isIn(range, address)) && !allocations.some((each) => each.address === address));
  return [
    ...(outside.length === 0
      ? []
      : [{ field: 'subnet', message: `leaves out addresses that are allocated: ${list(outside)}; delete those allocations first` }]),
    ...(homeless.length === 0
      ? []
      : [{ field: 'ranges', message: `leave out addresses that are leased: ${list(homeless)}; release them (prybar leases release), or wait for their end` }]),
  ];
}

function list(addresses: readonly { address: string; of: string }[]): string {
  const shown = addresses.slice(0, SHOWN).map(({ address, of }) => `${address} (${of})`);
  return `${shown.join(', ')}${addresses.length > SHOWN ? ` and ${addresses.length - SHOWN} more` : ''}`;
}

function isIn(range: RangeText, address: string): boolean {
  const [first, last, parsed] = [parseIpv4(range.first), parseIpv4(range.last), parseIpv4(address)];
  return first !== undefined && last !== undefined && parsed !== undefined && parsed >= first && parsed <= last;
}

/** `1g0`, `+10g1`, `?100m0`: sign, speed, index; or the name of an interface as Linux has it. engine.md 1.6 */
const PORT = /^([+?-]?)(\d+[mg])(\d+)$/;
const INTERFACE = /^[a-z][a-z0-9_.-]{0,14}$/;
const MAX_TEAM = 8;

/** The ports of a conduit; undefined when it cannot be read. */
export function conduitPorts(text: string): string[] | undefined {
  const ports = text.split(',').map((port) => port.trim());
  return ports.every((port) => PORT.test(port) || INTERFACE.test(port)) && new Set(ports).size === ports.length ? ports : undefined;
}

function conduitProblems(wish: NetworkWish, others: readonly OtherNetwork[]): FieldProblem[] {
  const own: [string, string | null | undefined][] = [
    ['conduit', wish.conduit],
    ...wish.ranges.map((range, index): [string, string | null | undefined] => [`ranges.${index}.conduit`, range.conduit]),
  ];
  const said = own.filter((each): each is [string, string] => typeof each[1] === 'string');
  return said.flatMap(([field, text]) => {
    const ports = conduitPorts(text);
    if (ports === undefined) return [{ field, message: 'must be ports, comma separated, each once: 1g0, +10g1, ?100m0, eth0 or bmc' }];
    const kinds = new Set(ports.map((port) => PORT.exec(port)?.slice(1, 3).join('') ?? port));
    if (ports.length > 1 && kinds.size > 1) return [{ field, message: 'its ports must have one speed and one sign' }];
    if (ports.length > MAX_TEAM) return [{ field, message: `a team has at most ${MAX_TEAM} ports` }];
    if (ports.length > 1 && wish.team_mode === null) return [{ field: 'team_mode', message: 'several ports need a bonding mode, 0 to 6' }];
    const crossing = [
      ...others.flatMap((other) => other.conduits.map((conduit) => ({ of: `network ${other.name}`, conduit }))),
      ...said.map(([of, conduit]) => ({ of, conduit })),
    ].find((other) => other.conduit !== text && conduitPorts(other.conduit)?.some((port) => ports.includes(port)) === true);
    return crossing === undefined
      ? []
      : [{ field, message: `shares some ports with that of ${crossing.of} (${crossing.conduit}); two conduits are identical or have no port in common` }];
  });
}
