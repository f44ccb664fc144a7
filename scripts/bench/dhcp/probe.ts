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

/** A machine that asks again as soon as it is answered. */
export type Watch = {
  /** Resolves with the time of the first OFFER that satisfies `isWanted`. */
  until(isWanted: (offer: Buffer) => boolean): Promise<number>;
  /** The longest time between two answers since this was last asked, milliseconds. */
  takeGapMs(): number;
  close(): Promise<void>;
};

const AGAIN_MS = 20;

export async function askWithoutPause(target: ProbeTarget): Promise<Watch> {
  const socket = createSocket('udp4');
  socket.bind({ address: GIADDR, port: target.relayPort });
  await once(socket, 'listening');
  const discover = discoverTemplate(GIADDR);
  writeMac(discover, target.client ?? 0);
  let xid = 0x60000000;
  let [lastAt, gap] = [performance.now(), 0];
  const waiting = new Set<{ isWanted: (offer: Buffer) => boolean; resolve: (at: number) => void }>();
  const ask = (): void => {
    discover.writeUInt32BE((xid += 1), XID_AT);
    socket.send(Buffer.from(discover), target.port, target.host ?? '127.0.0.1');
  };
  socket.on('message', (bytes) => {
    const now = performance.now();
    gap = Math.max(gap, now - lastAt);
    lastAt = now;
    for (const one of waiting) {
      if (!one.isWanted(bytes)) continue;
      waiting.delete(one);
      one.resolve(now);
    }
    ask();
  });
  const again = setInterval(() => {
    if (performance.now() - lastAt > AGAIN_MS) ask();
  }, AGAIN_MS);
  ask();
  return {
    until: (isWanted) =>
      new Promise((resolve, reject) => {
        const overdue = setTimeout(() => reject(new Error('the change was not answered within 20 s')), 20_000);
        waiting.add({ isWanted, resolve: (at) => (clearTimeout(overdue), resolve(at)) });
      }),
    takeGapMs() {
      const taken = gap;
      gap = 0;
      return taken;
    },
    close: async () => {
      clearInterval(again);
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}
