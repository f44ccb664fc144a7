import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { BootFailure } from '../boot-failure.js';
import type { Counters } from '../counters.js';
import type { Random } from '../random.js';
import { isLost, type MachineQuirks } from './faults.js';
import { decodeTftpReply, encodeError, encodeReadRequest } from './tftp-packet.js';
import { repeatOf, startTransfer, takeReply, type TftpStep } from './tftp-transfer.js';

export type TftpFetch = {
  server: { host: string; port: number };
  /** The machine's leased address: the source of its packets. */
  localAddress: string;
  file: string;
  /** Silence after which the last packet is sent again. */
  timeoutMs: number;
  lossRate: number;
  quirks?: MachineQuirks | undefined;
  random: Random;
  counters: Counters;
};

/** As OVMF asks (netboot-rules 3); 1468 is what fits an Ethernet frame with its IP and UDP headers. */
const OFFERED: ReadonlyMap<string, number> = new Map([
  ['tsize', 0],
  ['blksize', 1468],
  ['windowsize', 4],
]);
/** Silences in a row before the transfer is given up. */
const MAX_SILENCES = 5;

/**
 * Fetches a file and forgets its bytes: a simulated machine runs no loader. Returns its length; rejects with BootFailure
 * `tftp-failed`, or with the signal's reason when the power goes.
 */
export async function fetchByTftp(fetch: TftpFetch, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  const socket = createSocket('udp4');
  socket.bind(0, fetch.localAddress);
  await once(socket, 'listening');
  try {
    return await transfer(socket, fetch, signal);
  } finally {
    socket.close();
  }
}

async function transfer(socket: Socket, fetch: TftpFetch, signal: AbortSignal): Promise<number> {
  const { server, lossRate, random, counters, quirks } = fetch;
  const state = startTransfer();
  const request = encodeReadRequest(fetch.file, OFFERED);
  // The server's transfer id: the port its first answer comes from. RFC 1350 section 4.
  let peer: RemoteInfo | undefined;
  let silences = 0;

  return new Promise((resolve, reject) => {
    const send = (bytes: Buffer, port: number, address: string) => {
      if (quirks?.tftpBlocked === 'requests' || isCut()) return;
      if (!isLost(lossRate, random, counters)) socket.send(bytes, port, address, () => undefined);
    };
    const timer = setTimeout(silent, fetch.timeoutMs);
    const cut = () => end(() => reject(signal.reason));
    const fail = (reason: string) => end(() => reject(new BootFailure('tftp-failed', `${fetch.file}: ${reason}`)));
    signal.addEventListener('abort', cut, { once: true });
    socket.on('message', receive);
    socket.on('error', () => undefined);
    counters.tftpRequests += 1;
    send(request, server.port, server.host);

    // The cable, once it has failed, carries nothing either way.
    function isCut(): boolean {
      return state.receivedBytes > (quirks?.tftpDiesAfter ?? Number.POSITIVE_INFINITY);
    }

    function receive(bytes: Buffer, from: RemoteInfo): void {
      if (quirks?.tftpBlocked === 'answers' || bytes.length > (quirks?.largestDatagram ?? Number.POSITIVE_INFINITY) || isCut()) return;
      if (isLost(lossRate, random, counters)) return;
      const reply = decodeTftpReply(bytes);
      if (reply === undefined) return;
      peer ??= from;
      if (from.port !== peer.port || from.address !== peer.address) {
        send(encodeError(5, 'unknown transfer id'), from.port, from.address);
        return;
      }
      silences = 0;
      timer.refresh();
      act(takeReply(state, reply, OFFERED), peer);
    }

    function act(step: TftpStep, to: RemoteInfo): void {
      if (step.kind === 'send') send(step.bytes, to.port, to.address);
      if (step.kind === 'failed') fail(step.reason);
      if (step.kind !== 'done') return;
      send(step.bytes, to.port, to.address);
      counters.tftpFiles += 1;
      counters.tftpBytes += state.receivedBytes;
      end(() => resolve(state.receivedBytes));
    }

    function silent(): void {
      silences += 1;
      if (silences > MAX_SILENCES) {
        fail(`no answer from ${server.host}:${server.port}`);
        return;
      }
      counters.tftpRetransmits += 1;
      const again = repeatOf(state, peer !== undefined);
      if (again === undefined || peer === undefined) send(request, server.port, server.host);
      else send(again, peer.port, peer.address);
      timer.refresh();
    }

    function end(settle: () => void): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', cut);
      socket.removeListener('message', receive);
      settle();
    }
  });
}
