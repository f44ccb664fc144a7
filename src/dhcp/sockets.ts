/**
 * The UDP sockets and the addresses they speak for. The kernel never tells Node which interface a datagram came in by, so each
 * interface has a socket of its own, opened by a launcher and inherited (netboot-rules 1).
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { ConfigError } from '../shared/errors.js';
import { formatIpv4, parseIpv4 } from '../shared/ipv4.js';
import { err, ok, type Result } from '../shared/result.js';
import { BOOT_SERVER_PORT, SERVER_PORT } from './destination.js';
import type { Endpoint } from './endpoint.js';
import { errorCode } from './error-code.js';
import { NOWHERE, placeOf, type Place } from './interface-place.js';
import { PacketPort } from './packet-port.js';
import { describeOwners, findUdpOwners } from './port-owner.js';
import { SocketEndpoint } from './socket-endpoint.js';

/**
 * Where to listen. `address`: one socket for relayed clients, on any port, and one for the PXE boot server when
 * `bootServerPort` says where; the other two open 4011 on the address of each interface. `inherited`: interface name to file descriptor,
 * as scripts/dhcp-sockets.pl or a systemd socket unit leaves them; `packetFds` are AF_PACKET descriptors of the same interfaces.
 * `interface`: without a launcher, one interface only.
 */
export type SocketPlan =
  | { readonly kind: 'address'; readonly host: string; readonly port: number; readonly bootServerPort?: number }
  | { readonly kind: 'inherited'; readonly fds: ReadonlyMap<string, number>; readonly packetFds?: ReadonlyMap<string, number> }
  | { readonly kind: 'interface'; readonly name: string };

/** A storm of 10,000 machines fits while the process is busy for a second; the kernel caps it at net.core.rmem_max. */
const BUFFER_BYTES = 16 * 1024 * 1024;

const PRIVILEGE_FIX =
  'run it from a systemd unit with AmbientCapabilities=CAP_NET_BIND_SERVICE, or allow the port to every user with ' +
  '`sysctl net.ipv4.ip_unprivileged_port_start=67`';

/** Reads `eth1=3,eth2=4`, the form of PRYBAR_DHCP_FDS. The error names the part that is wrong. */
export function parseInheritedFds(text: string): Result<ReadonlyMap<string, number>, string> {
  const fds = new Map<string, number>();
  for (const part of text.split(',')) {
    const [, name, fd] = /^([^\s=,/]{1,15})=(\d+)$/.exec(part.trim()) ?? [];
    if (name === undefined || fd === undefined || fds.has(name)) return err(`"${part}" is not <interface>=<fd>`);
    fds.set(name, Number(fd));
  }
  return ok(fds);
}

/** Opens every socket of the plan, or none. Throws ConfigError with a `fix` when a port is taken or not allowed. */
export async function openEndpoints(plan: SocketPlan): Promise<Endpoint[]> {
  switch (plan.kind) {
    case 'address':
      return openAll([
        () => openAddress(plan.host, plan.port, false),
        ...(plan.bootServerPort === undefined ? [] : [() => openAddress(plan.host, plan.bootServerPort ?? BOOT_SERVER_PORT, true)]),
      ]);
    case 'inherited':
      await refuseSharedPort(SERVER_PORT);
      await refuseSharedPort(BOOT_SERVER_PORT);
      return openAll([...plan.fds].flatMap(([name, fd]) => [() => openInherited(name, fd, plan.packetFds?.get(name)), () => openBootServer(name)]));
    case 'interface':
      await refuseSharedPort(SERVER_PORT);
      await refuseSharedPort(BOOT_SERVER_PORT);
      return openAll([() => openInterface(plan.name), () => openBootServer(plan.name)]);
  }
}

async function openAll(opens: readonly (() => Promise<Endpoint>)[]): Promise<Endpoint[]> {
  const endpoints: Endpoint[] = [];
  try {
    for (const open of opens) endpoints.push(await open());
    return endpoints;
  } catch (error) {
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    throw error;
  }
}

/** The boot server is asked by unicast, so a socket on the interface's address hears it without a launcher. PXE 2.1 section 2.2.5. */
async function openBootServer(name: string): Promise<Endpoint> {
  const place = placeOf(name);
  const openSending = (address: number): Promise<Socket> => bindSocket({ address: formatIpv4(address), port: BOOT_SERVER_PORT }, false);
  const sockets = place === undefined ? [] : [await openSending(place.address)];
  return new SocketEndpoint(name, place ?? NOWHERE, sockets, {
    port: BOOT_SERVER_PORT,
    isBootServer: true,
    findPlace: () => placeOf(name) ?? NOWHERE,
    openSending,
  });
}

async function openAddress(host: string, port: number, isBootServer: boolean): Promise<Endpoint> {
  const address = parseIpv4(host);
  if (address === undefined) {
    throw new ConfigError(`DHCP address ${host} is not an IPv4 address`, 'give a dotted quad such as 127.0.0.1');
  }
  const socket = await bindSocket({ address: host, port }, false);
  return new SocketEndpoint(host, { address, subnet: undefined }, [socket], { port: socket.address().port, isBootServer });
}

/** Without an address the interface is waited for: the socket is its own already. */
async function openInherited(name: string, fd: number, packetFd: number | undefined): Promise<Endpoint> {
  const socket = await bindSocket({ fd, exclusive: true }, false);
  const packets = packetFd === undefined ? undefined : new PacketPort(name, packetFd);
  const findPlace = (): Place => placeOf(name) ?? NOWHERE;
  return new SocketEndpoint(name, findPlace(), [socket], { port: socket.address().port, packets, findPlace });
}

/**
 * 0.0.0.0 hears broadcasts but cannot choose the interface they leave by; the interface's address sends by it and alone hears
 * renewals, since unicast goes to the more specific socket.
 */
async function openInterface(name: string): Promise<Endpoint> {
  const place = placeOf(name);
  if (place === undefined) {
    throw new ConfigError(`interface ${name} has no IPv4 address`, `give it one: \`ip addr add <address>/<prefix> dev ${name}\``);
  }
  const hearing = await bindSocket({ address: '0.0.0.0', port: SERVER_PORT }, true);
  const openSending = (address: number): Promise<Socket> => bindSocket({ address: formatIpv4(address), port: SERVER_PORT }, true);
  try {
    const sockets = [hearing, await openSending(place.address)];
    return new SocketEndpoint(name, place, sockets, { port: SERVER_PORT, findPlace: () => placeOf(name) ?? NOWHERE, openSending });
  } catch (error) {
    hearing.close();
    throw error;
  }
}

type Binding = { address: string; port: number } | { fd: number; exclusive: true };

async function bindSocket(binding: Binding, reuseAddr: boolean): Promise<Socket> {
  // Only addresses are sent to: Node's own lookup would put each reply off to the next tick.
  const socket = createSocket({ type: 'udp4', reuseAddr, lookup: (address, _options, done) => done(null, address, 4) });
  // Asked for before the bind: an inherited descriptor is listening already, and says so at once.
  const listening = once(socket, 'listening');
  try {
    socket.bind(binding);
    await listening;
  } catch (error) {
    socket.close();
    throw await explainBindFailure(binding, error);
  }
  // An error after the bind concerns one datagram (an unreachable relay); send reports it to its caller.
  socket.on('error', () => undefined);
  socket.setBroadcast(true);
  enlargeBuffers(socket);
  return socket;
}

function enlargeBuffers(socket: Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES);
    socket.setSendBufferSize(BUFFER_BYTES);
  } catch {
    // The kernel's default is smaller and works.
  }
}

async function explainBindFailure(binding: Binding, error: unknown): Promise<unknown> {
  const code = errorCode(error);
  if ('fd' in binding) {
    return new ConfigError(
      `file descriptor ${binding.fd} is not an inherited UDP socket`,
      'start the server through scripts/dhcp-sockets.pl, or unset PRYBAR_DHCP_FDS',
      { cause: error },
    );
  }
  const place = `UDP ${binding.address}:${binding.port}`;
  if (code === 'EACCES') return new ConfigError(`not allowed to listen on ${place}`, PRIVILEGE_FIX, { cause: error });
  if (code === 'EADDRNOTAVAIL') {
    return new ConfigError(`${place}: this machine does not have the address`, 'use one that `ip addr` lists', { cause: error });
  }
  if (code !== 'EADDRINUSE') return error;
  const owners = await findUdpOwners(binding.port);
  return new ConfigError(
    `${place} is in use by ${owners.length === 0 ? 'this process' : describeOwners(owners)}`,
    'stop that program, or choose another port',
    { cause: error },
  );
}

async function refuseSharedPort(port: number): Promise<void> {
  const owners = await findUdpOwners(port);
  if (owners.length === 0) return;
  throw new ConfigError(
    `UDP port ${port} is in use by ${describeOwners(owners)}`,
    'stop that program: two DHCP servers on one port each hear a part of the clients',
  );
}
