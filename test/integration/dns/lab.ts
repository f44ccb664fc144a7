import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { pino } from 'pino';
import { openDb, type Db } from '../../../src/db/client.js';
import { DnsServer, type DnsServerOptions } from '../../../src/dns/server.js';
import { emptyTables } from '../../support/empty-tables.js';
import type { TestDatabase } from '../../support/postgres.js';
import { waitFor } from '../../support/wait-for.js';

export type Lab = {
  readonly db: Db;
  readonly start: (options?: Partial<DnsServerOptions>) => Promise<{ server: DnsServer; port: number }>;
  /** Waits until the server is at the database's revision. */
  readonly settled: (server: DnsServer) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The database, emptied first, with one network, 10.0.0.0/24 of rack.example, and the node ctrl1 at 10.0.0.5. */
export async function openLab(database: TestDatabase): Promise<Lab> {
  const db = openDb({ url: database.url, applicationName: 'test' });
  await emptyTables(db.pool);
  await db.pool.query(`INSERT INTO deployments (id, name, system) VALUES (900, 'dns-lab', true) ON CONFLICT DO NOTHING`);
  await db.pool.query(`INSERT INTO networks (id, name, subnet, domain) VALUES (1, 'admin', '10.0.0.0/24', 'rack.example')`);
  await db.pool.query(`INSERT INTO nodes (id, name, deployment_id) VALUES (900, 'ctrl1.rack.example', 900)`);
  await db.pool.query(`INSERT INTO reservations (network_id, address, mac, node_id) VALUES (1, '10.0.0.5', '52:54:00:00:00:05', 900)`);
  const servers: DnsServer[] = [];
  return {
    db,
    async start(options = {}) {
      const server = new DnsServer({
        pool: db.pool,
        logger: pino({ level: 'silent' }),
        server: { id: randomUUID(), host: 'test', incarnation: 'one' },
        listen: [{ address: '127.0.0.1', port: 0 }],
        upstreams: [],
        clients: [],
        pollMs: 20,
        ...options,
      });
      servers.push(server);
      const listening = await server.start();
      return { server, port: listening[0]?.port ?? 0 };
    },
    async settled(server) {
      await waitFor(
        async () => {
          const { rows } = await db.pool.query<{ revision: number }>('SELECT revision FROM dns_table');
          return Number(rows[0]?.revision) === server.servedRevision();
        },
        { what: 'the server to serve the revision of the database' },
      );
    },
    async close() {
      for (const server of servers) await server.close();
      await db.close();
    },
  };
}

/** One datagram there, the next one back. `from`: the address to ask from. */
export async function askUdp(port: number, request: Buffer, from = '127.0.0.1'): Promise<Buffer> {
  const socket = createSocket('udp4');
  socket.bind({ address: from, port: 0 });
  await once(socket, 'listening');
  socket.send(request, port, '127.0.0.1');
  try {
    const [bytes] = (await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
    return bytes;
  } finally {
    socket.close();
  }
}

/** Messages over one connection, as many as `wanted`. */
export async function askTcp(port: number, requests: readonly Buffer[], wanted: number): Promise<Buffer[]> {
  const socket = connect(port, '127.0.0.1');
  const answers: Buffer[] = [];
  let heard = Buffer.alloc(0);
  for (const request of requests) socket.write(Buffer.concat([Buffer.from([request.length >>> 8, request.length & 255]), request]));
  for await (const chunk of socket) {
    heard = Buffer.concat([heard, chunk as Buffer]);
    while (heard.length >= 2 && heard.length >= heard.readUInt16BE(0) + 2) {
      const size = heard.readUInt16BE(0);
      answers.push(heard.subarray(2, size + 2));
      heard = heard.subarray(size + 2);
    }
    if (answers.length >= wanted) break;
  }
  socket.destroy();
  return answers;
}
