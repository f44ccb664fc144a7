/** What a slow, idle or greedy client can hold of the boot HTTP server (attack 6). */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Above the 25 s of a long poll; ends readers that stand still, too. */
const IDLE_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 5_000;
const MAX_CONNECTIONS = 4_096;
/** Cut connections are gone a turn of the event loop later; past these nobody is let in. */
const CONNECTIONS_CLOSING = 64;
/** Firmware opens one, iPXE a few, an installer a dozen; a relay or NAT may stand for a rack. */
const MAX_CONNECTIONS_PER_ADDRESS = 256;
const MAX_HEADERS = 50;

/** For the server's constructor: how large a request's head may be, and how often unfinished ones are looked for. */
export const BOOT_SERVER_OPTIONS: ServerOptions = { maxHeaderSize: 8 * 1024, connectionsCheckingInterval: 2_000 };

export type HttpLimits = { maxConnections: number; maxConnectionsPerAddress: number };

/** Call it before `listen`. */
export function limitServer(server: Server, limits: Partial<HttpLimits> = {}): void {
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.timeout = IDLE_TIMEOUT_MS;
  const maxConnections = limits.maxConnections ?? MAX_CONNECTIONS;
  server.maxConnections = maxConnections + CONNECTIONS_CLOSING;
  server.maxHeadersCount = MAX_HEADERS;
  // First: who has his share already makes nobody leave.
  limitAddresses(server, limits.maxConnectionsPerAddress ?? MAX_CONNECTIONS_PER_ADDRESS);
  makeRoom(server, maxConnections);
}

/**
 * When every connection is taken the one that has said nothing for longest is cut for whoever comes: an idle keep-alive, or a head
 * that does not end. A machine that boots is let in at once, not when a timeout has passed; requests under way are left alone.
 */
function makeRoom(server: Server, most: number): void {
  // By the peer's port: the socket of a request over TLS is not the one that was connected.
  const open = new Map<string, Socket>();
  /** In the order in which they fell silent. */
  const silent = new Set<string>();
  server.on('connection', (socket: Socket) => {
    if (socket.destroyed) return;
    if (open.size >= most) {
      const [longest = ''] = silent;
      silent.delete(longest);
      open.get(longest)?.destroy();
    }
    const peer = peerOf(socket);
    open.set(peer, socket);
    silent.add(peer);
    socket.once('close', () => {
      open.delete(peer);
      silent.delete(peer);
    });
  });
  server.on('request', ({ socket }: IncomingMessage, res: ServerResponse) => {
    const peer = peerOf(socket);
    silent.delete(peer);
    res.once('close', () => void (open.has(peer) && silent.add(peer)));
  });
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** One address cannot take the connections of all others: what is too much is cut at once. */
function limitAddresses(server: Server, most: number): void {
  const held = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress;
    // Gone before it was looked at.
    if (address === undefined) return;
    const count = held.get(address) ?? 0;
    if (count >= most) {
      socket.destroy();
      return;
    }
    held.set(address, count + 1);
    socket.once('close', () => {
      const left = (held.get(address) ?? 1) - 1;
      if (left === 0) held.delete(address);
      else held.set(address, left);
    });
  });
}
