/** The TFTP servers that are compared, on one folder, each alone on its port of 127.0.0.1. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { ensureTools } from '../../lib/debian-tools.mjs';
import type { Tools } from '../bench.js';
import { startChild } from '../lib/children.js';
import { cpuSeconds } from '../lib/machine.js';
import { startProgram } from '../lib/program.js';

export type Server = {
  name: string;
  port: number;
  /** CPU seconds so far; undefined when its transfers are processes that leave no account. */ cpu(): number | undefined;
  stop(): Promise<void>;
};

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

/** Whether anything answers a read request for a file that is not there. */
async function answers(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  socket.send('\0\x01no-such-file\0octet\0', port, '127.0.0.1');
  try {
    await once(socket, 'message', { signal: AbortSignal.timeout(300) });
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

export async function startOurs(root: string, tools: Tools): Promise<Server> {
  const port = await freePort();
  const child = await startChild('tftp', { file: 'scripts/bench/tftp/server.ts', args: [root, String(port)], env: {}, execArgv: ['--import', 'tsx'] });
  tools.onEnd(() => child.stop());
  return { name: 'Prybar', port, cpu: () => cpuSeconds(child.pid), stop: () => child.stop() };
}

export async function startAtftpd(root: string, tools: Tools): Promise<Server> {
  const { atftpd } = await ensureTools(['atftpd']);
  const port = await freePort();
  // 300 threads: its default of 100 is enough for 50 clients, but the file is opened anew for each.
  const args = ['--daemon', '--no-fork', '--port', String(port), '--bind-address', '127.0.0.1', '--maxthread', '300', '--no-multicast', '--verbose=1', root];
  const asUser = process.getuid?.() === 0 ? ['--user', 'nobody'] : [];
  const program = await startProgram({ path: atftpd.path, args: [...asUser, ...args], env: atftpd.env }, () => answers(port), tools);
  return { name: 'atftpd', port, cpu: () => cpuSeconds(program.pid), stop: () => program.stop() };
}

/** tftpd-hpa changes its root folder and user, which root alone may. */
export async function startHpa(root: string, tools: Tools): Promise<Server | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const { 'tftpd-hpa': hpa } = await ensureTools(['tftpd-hpa']);
  const port = await freePort();
  const args = ['--foreground', '--address', `127.0.0.1:${port}`, '--user', 'nobody', '--secure', root];
  const program = await startProgram({ path: hpa.path, args, env: hpa.env }, () => answers(port), tools);
  return { name: 'tftpd-hpa', port, cpu: () => undefined, stop: () => program.stop() };
}
