/** A relay agent on loopback that asks a DHCP server on a high port for one client at a time: how a test asks somebody else's server. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { parsePacket, type DhcpPacket } from '../../src/dhcp/packet.js';
import { formatIpv4 } from '../../src/shared/ipv4.js';
import { bytesOf, request } from './dhcp-request.js';

export type Answer = { address: string; nextServer: string; file: string; hostname: string };

export type Relay = {
  /** DISCOVER for the MAC; what the OFFER says, or null when none comes in time. `arch` as in option 93; `ipxe` is the second stage. */
  discover(mac: string, who?: { arch?: number; ipxe?: boolean }): Promise<Answer | null>;
  close(): Promise<void>;
};

const TIMEOUT_MS = 2_000;

/** `address`: the relay's own, where answers go to. The server listens on `serverPort` and answers relays there as well. */
export async function openRelay(address: string, server: { address: string; port: number }): Promise<Relay> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.bind(server.port, address);
  await once(socket, 'listening');
  let xid = 1;
  return {
    async discover(mac, { arch = 7, ipxe = false } = {}) {
      xid += 1;
      const options: Record<number, string | Buffer> = { 55: Buffer.from([1, 3, 6, 12, 54, 66, 67]), 93: Buffer.from([0, arch]) };
      options[60] = `PXEClient:Arch:000${arch.toString(16).padStart(2, '0')}:UNDI:003000`;
      if (ipxe) Object.assign(options, { 77: 'iPXE', 175: Buffer.from([0xb1, 0x05, 0x01, 0x1a, 0xf4, 0x10, 0x00]) });
      const answered = waitForOffer(socket, xid);
      socket.send(bytesOf({ ...request({ type: 1, mac, xid, giaddr: address, options }), hops: 1 }), server.port, server.address);
      const offer = await answered;
      return offer === null ? null : read(offer);
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function waitForOffer(socket: ReturnType<typeof createSocket>, xid: number): Promise<DhcpPacket | null> {
  return new Promise((resolve) => {
    const done = (packet: DhcpPacket | null): void => {
      clearTimeout(timer);
      socket.off('message', hear);
      resolve(packet);
    };
    const hear = (bytes: Buffer): void => {
      const parsed = parsePacket(bytes);
      if (parsed.ok && parsed.value.op === 2 && parsed.value.transactionId === xid) done(parsed.value);
    };
    const timer = setTimeout(() => done(null), TIMEOUT_MS);
    socket.on('message', hear);
  });
}

function read(packet: DhcpPacket): Answer {
  const text = (bytes: Buffer | undefined) => (bytes ?? Buffer.alloc(0)).toString('latin1').replace(/\0.*$/s, '');
  return {
    address: formatIpv4(packet.yourIpAddress),
    nextServer: formatIpv4(packet.nextServerIpAddress),
    file: text(packet.options.get(67)) || text(packet.bootFile),
    hostname: text(packet.options.get(12)),
  };
}
