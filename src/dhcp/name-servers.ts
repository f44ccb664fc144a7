/** PURE: which DNS servers a client is told. One always: Debian's installer stops without (testbed.md, netboot issue 4). */
import { formatIpv4 } from '../shared/ipv4.js';
import type { Network } from './network.js';
import type { Trace } from './trace.js';

/**
 * The network's; ourselves when we serve DNS; else its router, which often forwards; else ourselves, so that the option is there at
 * all: networkWarnings tells the operator.
 */
export function nameServers(network: Network, serverId: number, servesDns: boolean, trace?: Trace): readonly number[] {
  const own = servesDns || network.router === undefined ? serverId : network.router;
  const servers = network.dns.length > 0 ? network.dns : [own];
  trace?.push({ rule: 'name-server', source: 'RFC 2132 section 3.8', value: servers.map(formatIpv4).join(', ') });
  return servers;
}

/** What is not wrong but will surprise, in sentences for the doctor. */
export function networkWarnings(network: Network, servesDns: boolean): readonly string[] {
  if (network.mode === 'off' || network.mode === 'proxy') return [];
  const warnings: string[] = [];
  if (network.dns.length === 0 && !servesDns) {
    const instead = network.router === undefined ? 'this server, which does not serve DNS' : `its router ${formatIpv4(network.router)}`;
    warnings.push(`network ${network.name} has no DNS server: machines are told ${instead}; set \`dns\``);
  }
  const routes = network.options.get(121);
  if (routes !== undefined && network.router !== undefined && !hasDefaultRoute(routes)) {
    warnings.push(
      `network ${network.name}: classless-routes has no default route, and who reads it ignores the router (RFC 3442); add "default via ${formatIpv4(network.router)}"`,
    );
  }
  if (network.mode === 'authoritative' && network.pool.length === 0) {
    warnings.push(
      `network ${network.name} has no pool: machines without a reservation get no address; add a range named dhcp, or set the mode to reservations`,
    );
  }
  return warnings;
}

function hasDefaultRoute(routes: Buffer): boolean {
  for (let offset = 0; offset < routes.length; offset += 1 + Math.ceil((routes[offset] ?? 0) / 8) + 4) if (routes[offset] === 0) return true;
  return false;
}
