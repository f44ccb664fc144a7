/** A bad cable: a UDP relay on loopback between TFTP clients and a server, which loses, doubles and reorders what it carries. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Random } from './random.js';

export type Cable = { /** Shares of packets, 0 to 1. */ lose: number; double: number; reorder: number };
export type LossyRelay = { port: number; carried: { lost: number; doubled: number; reordered: number; all: number }; close(): void };

/** Listens on `port`; each client gets a socket of its own towards the server, so that transfer ids stay apart. */
export async function startLossyRelay(server: { port: number }, cable: Cable, random: Random): Promise<LossyRelay> {
  const carried = { lost: 0, doubled: 0, reordered: 0, all: 0 };
  let isClosed = false;
  const sockets: Socket[] = [];
  const paths = new Map<string, Promise<Socket>>();

  function carry(bytes: Buffer, send: (bytes: Buffer) => void): void {
    carried.all += 1;
    if (random.chance(cable.lose)) {
      carried.lost += 1;
      return;
    }
    if (random.chance(cable.reorder)) {
      carried.reordered += 1;
      setTimeout(() => (isClosed ? undefined : send(bytes)), 3);
      return;
    }
    send(bytes);
    if (!random.chance(cable.double)) return;
    carried.doubled += 1;
    send(bytes);
  }

  const open = async (): Promise<Socket> => {
    const socket = createSocket('udp4');
    sockets.push(socket);
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  };

  /** Client to server: to the listening port first, then to the port that answered. Server to client: from one port of ours. */
  async function openPath(client: RemoteInfo): Promise<Socket> {
    const [towards, back] = [await open(), await open()];
    let transferPort = server.port;
    towards.on('message', (bytes, from) => {
      transferPort = from.port;
      carry(bytes, (carriedBytes) => back.send(carriedBytes, client.port, client.address, () => undefined));
    });
    const forward = (bytes: Buffer) => carry(bytes, (carriedBytes) => towards.send(carriedBytes, transferPort, '127.0.0.1', () => undefined));
    back.on('message', forward);
    towards.on('request', forward);
    return towards;
  }

  const door = await open();
  door.on('message', (bytes, from) => {
    const key = `${from.address} ${from.port}`;
    const path = paths.get(key) ?? openPath(from);
    paths.set(key, path);
    void path.then((towards) => towards.emit('request', bytes));
  });
  return {
    port: door.address().port,
    carried,
    close: () => {
      isClosed = true;
      for (const socket of sockets) socket.close();
    },
  };
}
