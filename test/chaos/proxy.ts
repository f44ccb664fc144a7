/** A TCP proxy on 127.0.0.1 that can break what goes through it: reset every connection, slow it, or swallow it for a while. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export type Proxy = {
  port: number;
  /** Resets every connection now; new ones are taken. */
  cut(): void;
  /** Holds every chunk back for so long; 0 ends it. */
  slow(delayMs: number): void;
  /** Lets nothing through, neither way, and tells nobody; `false` lets what was held back go on. */
  silence(isOn: boolean): void;
  close(): Promise<void>;
};

export async function openProxy(targetPort: number): Promise<Proxy> {
  const pairs = new Set<[Socket, Socket]>();
  let delayMs = 0;
  let silent = false;

  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1');
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.setNoDelay(true);
      from.on('data', (chunk) => {
        if (delayMs === 0) return void to.write(chunk);
        from.pause();
        setTimeout(() => {
          to.write(chunk);
          if (!silent) from.resume();
        }, delayMs);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
    if (silent) for (const socket of pair) socket.pause();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');

  return {
    port: address.port,
    cut() {
      for (const [client, upstream] of pairs) {
        client.resetAndDestroy();
        upstream.resetAndDestroy();
      }
    },
    slow(ms) {
      delayMs = ms;
    },
    silence(isOn) {
      silent = isOn;
      for (const socket of [...pairs].flat()) {
        if (isOn) socket.pause();
        else socket.resume();
      }
    },
    async close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
