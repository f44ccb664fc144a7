/** PURE: the address rules of a network: what lies in it, what may be given to a machine, and which address is next. */
import { formatIpv4, parseIpv4, parseSubnet, subnetContains, type Subnet } from '../shared/ipv4.js';
import type { FieldProblem } from '../shared/errors.js';

export type RangeText = { name: string; first: string; last: string };
export type NetworkText = { name: string; subnet: string; router?: string | null; ranges: RangeText[] };

/** Everything that is wrong with a network; empty when it is sound. */
export function networkProblems(network: NetworkText): FieldProblem[] {
  const subnet = parseSubnet(network.subnet);
  if (subnet === undefined) return [{ field: 'subnet', message: 'must be an IPv4 block, like 192.168.10.0/24' }];
  const problems: FieldProblem[] = [];
  if (network.router !== null && network.router !== undefined) {
    const router = parseIpv4(network.router);
    if (router === undefined || !isHostAddress(subnet, router)) problems.push({ field: 'router', message: `must be a host address in ${network.subnet}` });
  }
  const seen: { name: string; first: number; last: number }[] = [];
  network.ranges.forEach((range, index) => {
    const field = `ranges.${index}`;
    const first = parseIpv4(range.first);
    const last = parseIpv4(range.last);
    if (first === undefined || last === undefined) problems.push({ field, message: 'first and last must be IPv4 addresses' });
    else if (first > last) problems.push({ field, message: 'the first address must not come after the last' });
    else if (!isHostAddress(subnet, first) || !isHostAddress(subnet, last))
      problems.push({ field, message: `must lie between the first and the last host of ${network.subnet}` });
    else {
      const other = seen.find((known) => first <= known.last && last >= known.first);
      if (other !== undefined) problems.push({ field, message: `overlaps range ${other.name}` });
      if (seen.some((known) => known.name === range.name)) problems.push({ field, message: `there are two ranges named ${range.name}` });
      seen.push({ name: range.name, first, last });
    }
  });
  return problems;
}

/** Neither the network's own address nor its broadcast address; a /31 or /32 has only hosts (RFC 3021). */
export function isHostAddress(subnet: Subnet, address: number): boolean {
  if (!subnetContains(subnet, address)) return false;
  return subnet.prefix >= 31 || (address !== subnet.first && address !== subnet.last);
}

/** The lowest address of the range that is not taken; undefined when it is full. `taken` as numbers. */
export function nextFreeAddress(range: { first: number; last: number }, taken: ReadonlySet<number>): number | undefined {
  for (let address = range.first; address <= range.last; address += 1) if (!taken.has(address)) return address;
  return undefined;
}

/** Whether two blocks share an address: machines in the overlap would have two networks. */
export function subnetsOverlap(a: string, b: string): boolean {
  const first = parseSubnet(a);
  const second = parseSubnet(b);
  return first !== undefined && second !== undefined && first.first <= second.last && first.last >= second.first;
}

/** How many addresses, for messages. */
export function describeRange(range: { first: number; last: number }): string {
  return `${formatIpv4(range.first)} to ${formatIpv4(range.last)} (${range.last - range.first + 1} addresses)`;
}
