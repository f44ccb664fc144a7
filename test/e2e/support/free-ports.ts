import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

const HOST = '127.0.0.1';

/** Holds a TCP port until `close`; 0 asks the kernel for a free one. */
export async function holdTcp(port = 0): Promise<{ port: number; close(): Promise<void> }> {
  // A connection is taken and never answered: what it is like to talk to a server that hangs.
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
  }).listen(port, HOST);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Holds a UDP port until `close`. */
export async function holdUdp(port = 0): Promise<{ port: number; close(): Promise<void> }> {
  const socket = createSocket('udp4').bind(port, HOST);
  await once(socket, 'listening');
  return { port: socket.address().port, close: () => new Promise((resolve) => socket.close(resolve)) };
}

/** The variables of an installation, with ports that were free a moment ago. */
export async function freePorts(): Promise<
  Record<'PRYBAR_PORT' | 'PRYBAR_BOOT_HTTP_PORT' | 'PRYBAR_DHCP_PORT' | 'PRYBAR_TFTP_PORT' | 'PRYBAR_DNS_PORT', string>
> {
  const held = await Promise.all([holdTcp(), holdTcp(), holdUdp(), holdUdp(), holdTcp()]);
  await Promise.all(held.map((one) => one.close()));
  const [api, boot, dhcp, tftp, dns] = held.map((one) => String(one.port));
  return { PRYBAR_PORT: api ?? '', PRYBAR_BOOT_HTTP_PORT: boot ?? '', PRYBAR_DHCP_PORT: dhcp ?? '', PRYBAR_TFTP_PORT: tftp ?? '', PRYBAR_DNS_PORT: dns ?? '' };
}
