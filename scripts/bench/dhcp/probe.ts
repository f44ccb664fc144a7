/** One machine that asks until it is answered: when a server is up, and when an answer changes. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { discoverTemplate, readReply, writeMac, XID_AT } from './exchange-bytes.js';
import { GIADDR } from './network.js';

/** `relayPort` 0: any; the server then has to answer to the source port. */
export type ProbeTarget = { host?: string; port: number; relayPort: number; client?: number };

const EVERY_MS = 2;
const TIMEOUT_MS = 60_000;

/** Asks every 2 ms until an OFFER satisfies `isWanted`; gives the time it came at (performance.now). */
export async function askUntil(target: ProbeTarget, isWanted: (offer: Buffer) => boolean): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind({ address: GIADDR, port: target.relayPort });
  await once(socket, 'listening');
  let answeredAt: number | undefined;
  socket.on('message', (bytes) => {
    if (readReply(bytes)?.type === 2 && isWanted(bytes)) answeredAt ??= performance.now();
  });
  socket.on('error', () => undefined); // a port that is not open yet
  const discover = discoverTemplate(GIADDR);
  writeMac(discover, target.client ?? 0);
  const deadline = performance.now() + TIMEOUT_MS;
  let xid = 0x70000000;
  try {
    while (answeredAt === undefined) {
      if (performance.now() > deadline) throw new Error(`no wanted answer from port ${target.port} within ${TIMEOUT_MS / 1000} s`);
      discover.writeUInt32BE((xid += 1), XID_AT);
      socket.send(Buffer.from(discover), target.port, target.host ?? '127.0.0.1');
      await sleep(EVERY_MS);
    }
    return answeredAt;
  } finally {
    socket.close();
  }
}

/** Resolves with the first OFFER. */
export const waitUntilAnswering = (target: ProbeTarget): Promise<number> => askUntil(target, () => true);
