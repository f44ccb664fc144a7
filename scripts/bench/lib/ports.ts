/**
 * Ports for the servers of a bench. Kept below those that the kernel gives to sockets that name none (32768 and up): between the
 * look and the bind nobody takes them but who asks for that very number, and no port is given twice in one run.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

const [FIRST, LAST] = [20_000, 32_000];
const given = new Set<number>();

/** A port that is free for UDP and TCP on every address of this machine. Rejects when a hundred are taken. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port between ${FIRST} and ${LAST}`);
}

async function isFree(port: number): Promise<boolean> {
  const udp = createSocket('udp4');
  const tcp = createServer();
  try {
    udp.bind(port, '0.0.0.0');
    await once(udp, 'listening');
    tcp.listen(port, '0.0.0.0');
    await once(tcp, 'listening');
    return true;
  } catch {
    return false; // somebody has it
  } finally {
    await Promise.all([closed(udp), closed(tcp)]);
  }
}

/** A socket that never got its port is closed already. */
function closed(socket: { close(done: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve());
    } catch {
      resolve();
    }
  });
}
