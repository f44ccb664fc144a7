/** A small server that speaks to an agent as the node router does: it hands out the offers of a test and keeps what it was sent. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Seen = { path: string; token: string; body: Record<string, unknown> };

export type AgentDoor = {
  url: string;
  /** Every request, in order. */
  seen: Seen[];
  /** Given to the next polls for work, the first first. */
  offers: Record<string, unknown>[];
  /** Other than 200: the renewal says that the fence is lost. */
  renewStatus: number;
  /** Renewals are answered when it resolves, and then with "stop". */
  renewHeld: Promise<void> | undefined;
  close(): void;
};

/** Nothing to do is said late, as by a long poll. */
const NO_WORK_MS = 300;

/** `hello`: how a path that introduces the machine ends, and what it is called; `leaseSeconds`: what a renewal gives. */
export async function openAgentDoor(hello: { path: string; name: string }, leaseSeconds: number): Promise<AgentDoor> {
  const server = createServer((req, res) => {
    let text = '';
    req.on('data', (part: Buffer) => (text += part.toString()));
    req.on('end', () => {
      door.seen.push({ path: req.url ?? '', token: (req.headers.authorization ?? '').replace('Bearer ', ''), body: JSON.parse(text) as Seen['body'] });
      answer(req.url ?? '', res);
    });
  });

  function answer(asked: string, res: ServerResponse): void {
    const json = (status: number, body?: unknown) =>
      res.writeHead(status, { 'Content-Type': 'application/json' }).end(body === undefined ? undefined : JSON.stringify(body));
    if (asked.endsWith(hello.path)) return void json(200, { node: { id: 7, name: hello.name }, agent_token: 'agent', heartbeat_seconds: 1, wait_seconds: 1 });
    if (asked.endsWith('/work')) {
      const offer = door.offers.shift();
      if (offer === undefined) return void setTimeout(() => json(204), NO_WORK_MS).unref();
      return void json(200, offer);
    }
    if (asked.endsWith('/renew') && door.renewHeld !== undefined) return void door.renewHeld.then(() => json(409, { code: 'stop' }));
    if (asked.endsWith('/renew')) return void json(door.renewStatus, door.renewStatus === 200 ? { lease_seconds: leaseSeconds } : { code: 'fence-lost' });
    if (asked.endsWith('/result')) return void json(200, { accepted: 'taken' });
    json(204);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const door: AgentDoor = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    offers: [],
    renewStatus: 200,
    renewHeld: undefined,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return door;
}
