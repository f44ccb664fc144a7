/**
 * Other DHCP servers on a link: found by asking for an address ourselves, with a MAC of our own making, and by hearing what is
 * offered to others by broadcast. Nothing is ever requested, so no rival's pool loses an address. Attack case 11.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { ConfigError } from '../shared/errors.js';
import { formatIpv4, parseIpv4 } from '../shared/ipv4.js';
import { formatMac } from '../shared/mac.js';
import { uint16Bytes } from '../shared/bytes.js';
import { BootpOp, MessageType, OptionCode } from './codes.js';
import { CLIENT_PORT, SERVER_PORT } from './destination.js';
import { encodePacket } from './encode.js';
import { errorCode } from './error-code.js';
import { requestFrame } from './frames.js';
import { readAddress } from './options.js';
import { PacketPort } from './packet-port.js';
import { BROADCAST_FLAG, parsePacket, type DhcpPacket } from './packet.js';

/** A server that answered and is not us. Text is safe to show. */
export type Rival = {
  /** Option 54, else the sender's address. */
  readonly serverId: string;
  /** Who sent the frame: the server or a router before it; null where only the datagram was seen. */
  readonly mac: string | null;
  /** What it offered; `0.0.0.0` for a proxy, which gives boot files and no address. */
  readonly offered: string;
  readonly bootFile: string | null;
};

/** A message of a rival, from bytes that came by the packet port or a socket; undefined for anything else. Never throws. */
export function readRival(bytes: Buffer, ownServerIds: readonly number[], from: { address: number; mac: Buffer | undefined }): Rival | undefined {
  const parsed = parsePacket(bytes);
  if (!parsed.ok || parsed.value.op !== BootpOp.reply) return undefined;
  const packet = parsed.value;
  const said = readAddress(packet.options, OptionCode.serverIdentifier);
  const serverId = typeof said === 'number' ? said : from.address;
  if (ownServerIds.includes(serverId) || ownServerIds.includes(from.address)) return undefined;
  const file = (packet.options.get(OptionCode.bootFileName) ?? packet.bootFile).toString('latin1').replaceAll(/[^ -~].*$/gs, '');
  return {
    serverId: formatIpv4(serverId),
    mac: from.mac === undefined ? null : formatMac(from.mac),
    offered: formatIpv4(packet.yourIpAddress),
    bootFile: file === '' ? null : file,
  };
}

/** Locally administered: no vendor's. Prybar's servers do not answer it, whichever of them asks. */
const PROBE_PREFIX = Buffer.from([0x02, 0x50, 0x52]);

/** Whether a request is the probe of a Prybar server. */
export const isRivalProbe = ({ hardwareLength, clientHardwareAddress: chaddr }: DhcpPacket): boolean =>
  hardwareLength === 6 && PROBE_PREFIX.every((byte, index) => chaddr[index] === byte);

/** The DISCOVER of a machine that does not exist: PXE firmware, so that proxies answer too; the broadcast flag, so that we hear it. */
export function rivalProbe(): { mac: Buffer; message: Buffer } {
  const mac = Buffer.concat([PROBE_PREFIX, randomBytes(3)]);
  const chaddr = Buffer.alloc(16);
  mac.copy(chaddr);
  const encoded = encodePacket({
    op: BootpOp.request,
    hardwareType: 1,
    hardwareLength: 6,
    hops: 0,
    transactionId: randomBytes(4).readUInt32BE(),
    secs: 8,
    flags: BROADCAST_FLAG,
    clientIpAddress: 0,
    yourIpAddress: 0,
    nextServerIpAddress: 0,
    relayIpAddress: 0,
    clientHardwareAddress: chaddr,
    serverName: Buffer.alloc(0),
    bootFile: Buffer.alloc(0),
    options: new Map([
      [OptionCode.messageType, Buffer.from([MessageType.discover])],
      [OptionCode.parameterRequestList, Buffer.from([1, 3, 6, 43, 54, 60, 66, 67])],
      [OptionCode.vendorClass, Buffer.from('PXEClient:Arch:00007:UNDI:003016')],
      [OptionCode.clientArchitecture, uint16Bytes(7)],
    ]),
  });
  if (!encoded.ok) throw new Error(encoded.error);
  return { mac, message: encoded.value.bytes };
}

/** Asks once through a packet port and tells every rival heard until the returned function is called. */
export function watchRivals(port: PacketPort, ownServerIds: () => readonly number[], onRival: (rival: Rival) => void): { ask: () => void; stop: () => void } {
  const stop = port.listen((frame) => {
    if (frame.kind !== 'dhcp') return;
    const rival = readRival(frame.message, ownServerIds(), { address: frame.sourceAddress, mac: frame.sourceMac });
    if (rival !== undefined) onRival(rival);
  });
  const ask = (): void => {
    const probe = rivalProbe();
    port.send(requestFrame(probe.mac, probe.message));
  };
  return { ask, stop };
}

const ASK_EVERY_MS = 1_000;

/**
 * Listens on an interface for `timeoutMs` and asks every second; gives each rival once, in the order they were heard. Uses the
 * packet descriptor of the launcher when PRYBAR_PACKET_FDS or `packetFd` has one, else a socket on port 68, which needs the right
 * to bind it and hears broadcasts only. Throws ConfigError when neither is possible, with the fix. Our own servers on this
 * host are no rivals; those on others are: the caller knows which addresses are Prybar's (`ownServerIds`).
 */
export async function detectRivals(
  interfaceName: string,
  timeoutMs: number,
  options: { packetFd?: number; ownServerIds?: readonly number[] } = {},
): Promise<Rival[]> {
  const found = new Map<string, Rival>();
  const own = options.ownServerIds ?? [];
  const note = (rival: Rival): void => void (found.has(rival.serverId) || found.set(rival.serverId, rival));
  const link =
    options.packetFd === undefined ? await listenOnClientPort(interfaceName, own, note) : listenOnPackets(interfaceName, options.packetFd, own, note);
  try {
    for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += ASK_EVERY_MS) {
      link.ask();
      await new Promise((resolve) => setTimeout(resolve, Math.min(ASK_EVERY_MS, timeoutMs - waitedMs)));
    }
  } finally {
    link.close();
  }
  return [...found.values()];
}

type Link = { ask: () => void; close: () => void };

function listenOnPackets(name: string, fd: number, own: readonly number[], note: (rival: Rival) => void): Link {
  const port = new PacketPort(name, fd);
  port.hurry();
  const { ask } = watchRivals(port, () => own, note);
  return { ask, close: () => port.close() };
}

async function listenOnClientPort(name: string, own: readonly number[], note: (rival: Rival) => void): Promise<Link> {
  const found = networkInterfaces()[name]?.find((candidate) => candidate.family === 'IPv4');
  if (found === undefined) throw new ConfigError(`interface ${name} has no IPv4 address`, `choose among ${Object.keys(networkInterfaces()).join(', ')}`);
  const hearing = createSocket({ type: 'udp4', reuseAddr: true });
  const sending = createSocket({ type: 'udp4', reuseAddr: true });
  const close = (): void => {
    for (const socket of [hearing, sending]) socket.close();
  };
  try {
    await bind(hearing, '0.0.0.0');
    await bind(sending, found.address);
  } catch (error) {
    close();
    if (errorCode(error) !== 'EACCES' && errorCode(error) !== 'EADDRINUSE') throw error;
    throw new ConfigError(
      `cannot listen on UDP port ${CLIENT_PORT} (${errorCode(error) ?? ''})`,
      `run it as root, or through the launcher: perl scripts/dhcp-sockets.pl ${name} -- <command>`,
      { cause: error },
    );
  }
  sending.setBroadcast(true);
  hearing.on('message', (bytes, from) => {
    const rival = readRival(bytes, own, { address: parseIpv4(from.address) ?? 0, mac: undefined });
    if (rival !== undefined) note(rival);
  });
  return { ask: () => sending.send(rivalProbe().message, SERVER_PORT, '255.255.255.255'), close };
}

async function bind(socket: Socket, address: string): Promise<void> {
  socket.bind({ address, port: CLIENT_PORT });
  await once(socket, 'listening');
}
