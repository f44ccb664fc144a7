/** Serving a real segment: whether this process may, and the launcher that opens one socket per interface (netboot-rules 1). */
import { networkInterfaces } from 'node:os';
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.js';
import { BOOT_SERVER_PORT, SERVER_PORT } from '../dhcp/destination.js';
import type { SocketPlan } from '../dhcp/sockets.js';
import { parseInheritedFds } from '../dhcp/sockets.js';
import { ConfigError } from '../shared/errors.js';

/** Environment variable by which the launcher hands over its sockets: `eth1=3,eth2=4`. */
const FDS_VARIABLE = 'PRYBAR_DHCP_FDS';
/** The same for packet sockets; absent where the launcher may not open them. */
const PACKET_FDS_VARIABLE = 'PRYBAR_PACKET_FDS';
const FIRST_UNPRIVILEGED_PORT = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
const CAP_NET_BIND_SERVICE = 1n << 10n;

/** Throws ConfigError when an interface does not exist, or the low ports are refused to this user; names both fixes. */
export async function assertMayServe(config: Config): Promise<void> {
  const known = networkInterfaces();
  for (const name of config.interfaces)
    if (!known[name]?.some((address) => address.family === 'IPv4'))
      throw new ConfigError(
        `--interface: '${name}' is no interface with an IPv4 address`,
        `choose among ${Object.keys(known).join(', ')}, and give it an address of the network to serve`,
      );
  if (process.env[FDS_VARIABLE]) return;
  const isDnsOn = config.dnsAddresses.length > 0;
  const firstAllowed = Number(readFileSync(FIRST_UNPRIVILEGED_PORT, 'utf8'));
  const refused = [config.dhcpPort, config.tftpPort, ...(isDnsOn ? [config.dnsPort] : [])].filter((port) => port < firstAllowed);
  if (refused.length === 0 || mayBindLowPorts()) return;
  const withoutDns = Math.min(...refused.filter((port) => port !== config.dnsPort));
  const lowest = Math.min(...refused);
  const choice = lowest < withoutDns && Number.isFinite(withoutDns) ? ` (${withoutDns} with PRYBAR_DNS=off)` : '';
  throw new ConfigError(
    `--interface: this user may not serve ${refused.length === 1 ? 'port' : 'ports'} ${refused.join(', ')}`,
    'run Prybar from a systemd unit with AmbientCapabilities=CAP_NET_BIND_SERVICE, or allow every user these ports: ' +
      `sysctl net.ipv4.ip_unprivileged_port_start=${lowest}${choice}`,
  );
}

function mayBindLowPorts(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return effective !== undefined && (BigInt(`0x${effective}`) & CAP_NET_BIND_SERVICE) !== 0n;
}

/** How the DHCP server gets its sockets under this configuration. Throws ConfigError for several interfaces without a launcher. */
export function socketPlan(config: Config): SocketPlan {
  const inherited = process.env[FDS_VARIABLE];
  if (inherited) {
    const fds = parseInheritedFds(inherited);
    if (!fds.ok) throw new ConfigError(`${FDS_VARIABLE}: ${fds.error}`, 'start Prybar by scripts/dhcp-sockets.pl or a systemd socket unit');
    return { kind: 'inherited', fds: fds.value, packetFds: packetFds() };
  }
  const [first, ...more] = config.interfaces;
  if (first === undefined) {
    const { bootHost: host, dhcpPort: port } = config;
    return port === SERVER_PORT ? { kind: 'address', host, port, bootServerPort: BOOT_SERVER_PORT } : { kind: 'address', host, port };
  }
  if (more.length > 0)
    throw new ConfigError(
      `PRYBAR_INTERFACE: without the launcher one interface can be served, not ${config.interfaces.length}`,
      `perl scripts/dhcp-sockets.pl ${config.interfaces.join(' ')} -- npm start -- --interface ${config.interfaces.join(',')}`,
    );
  return { kind: 'interface', name: first };
}

/** Descriptors of packet sockets by interface. Throws ConfigError when the variable is not what the launcher writes. */
function packetFds(): ReadonlyMap<string, number> {
  const inherited = process.env[PACKET_FDS_VARIABLE];
  if (!inherited) return new Map();
  const fds = parseInheritedFds(inherited);
  if (!fds.ok) throw new ConfigError(`${PACKET_FDS_VARIABLE}: ${fds.error}`, 'start Prybar by scripts/dhcp-sockets.pl');
  return fds.value;
}

/** The addresses TFTP answers from: the boot host, or those of the interfaces served. */
export function bootAddresses(config: Config): string[] {
  if (config.interfaces.length === 0) return [config.bootHost];
  const known = networkInterfaces();
  return config.interfaces.flatMap((name) => (known[name] ?? []).filter((address) => address.family === 'IPv4').map((address) => address.address));
}
