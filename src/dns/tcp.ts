/**
 * DNS over TCP (RFC 7766): messages with their length before them, several on one connection, answered in order. Connections
 * are few, bounded per client and closed when idle: it is the way that costs us memory.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

export type TcpEndpoint = { readonly port: number; close(): Promise<void> };

/** Answers one message by writing to the connection; awaited before the next message is looked at. */
export type TcpHandler = (request: Buffer, client: string, connection: TcpConnection) => Promise<void>;

export type TcpConnection = { write(message: Buffer): Promise<void> };

const MAX_CONNECTIONS = 512;
const MAX_PER_CLIENT = 32;
/** RFC 7766 section 6.2.3: seconds, not minutes. A half-sent message counts as idle too. */
const IDLE_MS = 10_000;
/** Messages that wait on one connection; who sends more without reading is cut off. */
const MAX_WAITING_BYTES = 256 * 1024;

/** Binds; rejects with the system's error. */
export async function openTcp(address: string, port: number, handle: TcpHandler): Promise<TcpEndpoint> {
  const open = new Map<string, Set<Socket>>();
  let count = 0;
  const server: Server = createServer((socket) => {
    const client = socket.remoteAddress ?? '';
    const own = open.get(client) ?? new Set<Socket>();
    if (count >= MAX_CONNECTIONS || own.size >= MAX_PER_CLIENT) return void socket.destroy();
    count += 1;
    open.set(client, own.add(socket));
    socket.on('close', () => {
      count -= 1;
      own.delete(socket);
      if (own.size === 0) open.delete(client);
    });
    converse(socket, client, handle);
  });
  server.listen({ host: address, port, exclusive: true });
  await once(server, 'listening');
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    async close() {
      server.close();
      for (const sockets of open.values()) for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

function converse(socket: Socket, client: string, handle: TcpHandler): void {
  let waiting = Buffer.alloc(0);
  let isBusy = false;
  const connection: TcpConnection = {
    async write(message) {
      const frame = Buffer.concat([Buffer.from([message.length >>> 8, message.length & 255]), message]);
      if (socket.destroyed) throw new Error('the client is gone');
      if (!socket.write(frame)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    },
  };
  const work = async () => {
    if (isBusy) return;
    isBusy = true;
    try {
      for (let size = frameSize(waiting); size !== undefined && !socket.destroyed; size = frameSize(waiting)) {
        const request = waiting.subarray(2, 2 + size);
        waiting = waiting.subarray(2 + size);
        await handle(request, client, connection);
      }
    } catch {
      // The client went away, or a fault of ours that handle has logged: this connection is of no more use.
      socket.destroy();
    }
    isBusy = false;
  };
  socket.setNoDelay(true);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk]);
    if (waiting.length > MAX_WAITING_BYTES) return void socket.destroy();
    void work();
  });
}

/** Bytes of the first whole message, or undefined when it has not arrived. */
function frameSize(waiting: Buffer): number | undefined {
  if (waiting.length < 2) return undefined;
  const size = waiting.readUInt16BE(0);
  return waiting.length < size + 2 ? undefined : size;
}
