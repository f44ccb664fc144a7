/** The networks of the interfaces served: one that exists covers the interface's address, or PRYBAR_DHCP_RANGE says what it may give. */
import { networkInterfaces } from 'node:os';
import type { Config } from '../config/config.js';
import type { Db } from '../db/client.js';
import { ensureNetwork, type NetworkSpec } from '../networks/store.js';
import { ConfigError } from '../shared/errors.js';
import { formatIpv4, parseIpv4, parseSubnet, subnetContains } from '../shared/ipv4.js';

/** An interface with its address and prefix, `10.0.0.1/24`. */
export type Segment = { interface: string; cidr: string };

/** The word for "another server gives the addresses". */
const PROXY = 'proxy';

/**
 * The networks to make, PURE. Nothing is given out on a segment by guess: without a network and without a range that lies
 * in it, the start is refused. Throws ConfigError naming the interface and an example.
 */
export function planNetworks(segments: readonly Segment[], existing: readonly string[], ranges: readonly string[]): NetworkSpec[] {
  return segments.flatMap(({ interface: name, cidr }) => {
    const segment = parseSubnet(cidr);
    const address = parseIpv4(cidr.split('/')[0] ?? '');
    if (segment === undefined || address === undefined) return [];
    if (existing.some((subnet) => covers(subnet, address))) return [];
    const base = segment.first;
    const subnet = `${formatIpv4(base)}/${segment.prefix}`;
    if (ranges.includes(PROXY)) return [{ name, subnet, dhcpMode: 'proxy', ranges: [] }];
    const range = ranges.map(parseRange).find((one) => one !== undefined && covers(subnet, one.first) && covers(subnet, one.last));
    if (!range)
      throw new ConfigError(
        `PRYBAR_DHCP_RANGE: no network of Prybar covers ${cidr} of interface ${name}, and no range says which of its addresses may be given`,
        `say so: PRYBAR_DHCP_RANGE=${formatIpv4(base + 100)}-${formatIpv4(base + 199)} npm start -- --interface ${name} (and make sure that no other DHCP server gives them); beside a server that gives them all, PRYBAR_DHCP_RANGE=proxy`,
      );
    return [{ name, subnet, ranges: [{ name: 'dhcp', first: formatIpv4(range.first), last: formatIpv4(range.last) }] }];
  });
}

/** Makes the networks of the configured interfaces. */
export async function ensureSegmentNetworks(db: Db, config: Config): Promise<void> {
  const known = networkInterfaces();
  const segments = config.interfaces.flatMap((name) =>
    (known[name] ?? [])
      .filter((address) => address.family === 'IPv4' && address.cidr !== null)
      .slice(0, 1)
      .map((address) => ({ interface: name, cidr: address.cidr ?? '' })),
  );
  const existing = await db.prisma.network.findMany({ select: { subnet: true } });
  for (const spec of planNetworks(
    segments,
    existing.map((network) => network.subnet),
    config.dhcpRanges,
  ))
    await ensureNetwork(db, spec);
}

function covers(subnet: string, address: number): boolean {
  const parsed = parseSubnet(subnet);
  return parsed !== undefined && subnetContains(parsed, address);
}

function parseRange(text: string): { first: number; last: number } | undefined {
  const [from = '', to = ''] = text.split('-');
  const [first, last] = [parseIpv4(from), parseIpv4(to)];
  return first === undefined || last === undefined || first > last ? undefined : { first, last };
}
