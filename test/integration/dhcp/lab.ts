import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { DhcpServer, type DhcpServerOptions } from '../../../src/dhcp/server.js';
import type { DhcpEvent } from '../../../src/dhcp/events.js';
import { parsePacket, type DhcpPacket } from '../../../src/dhcp/packet.js';
import { emptyTables } from '../../support/empty-tables.js';
import type { TestDatabase } from '../../support/postgres.js';
import { bytesOf, request, type RequestWords } from '../../support/dhcp-request.js';

/** A database with one network 127.77.0.0/16, pool .200.1 to .200.4, and a reservation of 127.77.1.7 for RESERVED. */
export type Lab = {
  readonly pool: pg.Pool;
  readonly url: string;
  /** A server on a free loopback port; closed with the lab. */
  readonly startServer: (options?: Partial<DhcpServerOptions>) => Promise<{ server: DhcpServer; port: number; events: DhcpEvent[]; id: string }>;
  /** Inserts or changes a machine the way the dhcp-database role does: one transaction that raises the revision. */
  readonly putEntry: (mac: string, words?: { bootenv?: string; bootLocal?: boolean; deleted?: boolean; options?: object }) => Promise<bigint>;
  readonly close: () => Promise<void>;
};

export const RESERVED = '52:54:00:77:00:07';

/** Empties the database first: a file of tests shares one. */
export async function openLab(database: TestDatabase): Promise<Lab> {
  const pool = new pg.Pool({ connectionString: database.url, max: 8 });
  pool.on('error', () => undefined);
  await emptyTables(pool);
  await pool.query(
    `INSERT INTO networks (id, name, subnet, router, dns, dhcp_mode, lease_seconds)
     VALUES (1, 'admin', '127.77.0.0/16', '127.77.0.1', '{127.77.0.2}', 'authoritative', 3600)`,
  );
  await pool.query(`INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES (1, 'dhcp', '127.77.200.1', '127.77.200.4')`);
  await pool.query(`INSERT INTO reservations (network_id, address, mac) VALUES (1, '127.77.1.7', $1)`, [RESERVED]);
  await pool.query(`INSERT INTO deployments (id, name, system) VALUES (900, 'dhcp-lab', true)`);
  await pool.query(`INSERT INTO nodes (id, name, deployment_id) VALUES (900, 'n7.lab.example', 900)`);
  const servers: DhcpServer[] = [];
  return {
    pool,
    url: database.url,
    startServer: async (options = {}) => {
      const events: DhcpEvent[] = [];
      const id = randomUUID();
      const server = new DhcpServer({
        pool,
        logger: pino({ level: 'silent' }),
        sockets: { kind: 'address', host: '127.0.0.1', port: 0 },
        server: { id, host: 'test', incarnation: 'one' },
        boot: { httpPort: 8080 },
        onEvent: (event) => events.push(event),
        pollMs: 25,
        ...options,
      });
      const listening = await server.start();
      servers.push(server);
      return { server, port: listening[0]?.port ?? 0, events, id };
    },
    putEntry: (mac, words = {}) => putEntry(pool, mac, words),
    close: async () => {
      for (const server of servers) await server.close();
      await pool.end();
    },
  };
}

async function putEntry(pool: pg.Pool, mac: string, words: { bootenv?: string; bootLocal?: boolean; deleted?: boolean; options?: object }): Promise<bigint> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const { rows } = await client.query<{ revision: string }>('UPDATE dhcp_table SET revision = revision + 1 WHERE id = 1 RETURNING revision');
    const revision = rows[0]?.revision ?? '0';
    await client.query(
      `INSERT INTO dhcp_entries (mac, node_id, hostname, bootenv, boot_local, applied_gen, options, revision, deleted)
       VALUES ($1, 900, 'n7.lab.example', $2, $3, 1, $4, $5, $6)
       ON CONFLICT (mac) DO UPDATE SET bootenv = EXCLUDED.bootenv, boot_local = EXCLUDED.boot_local, options = EXCLUDED.options,
         revision = EXCLUDED.revision, deleted = EXCLUDED.deleted`,
      [mac, words.bootenv ?? 'debian-12', words.bootLocal ?? false, words.options ?? {}, revision, words.deleted ?? false],
    );
    await client.query('COMMIT');
    return BigInt(revision);
  } finally {
    client.release();
  }
}

/** A UDP port of loopback that nobody has now. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => {
    socket.close(() => resolve());
  });
  return port;
}

/** A relay agent with an address of its own, for any number of clients. RFC 8357: the answer comes back to its source port. */
export class RelayClient {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #giaddr: string;
  readonly #host: string;
  readonly #waiting = new Map<string, (packet: DhcpPacket) => void>();
  #lastXid = 0;

  private constructor(socket: Socket, port: number, giaddr: string, host: string) {
    this.#host = host;
    this.#socket = socket;
    this.#port = port;
    this.#giaddr = giaddr;
    socket.on('message', (bytes) => {
      const packet = parsePacket(bytes);
      if (packet.ok) this.#waiting.get(keyOf(packet.value))?.(packet.value);
    });
  }

  static async open(port: number, giaddr = '127.77.9.1', host = '127.0.0.1'): Promise<RelayClient> {
    const socket = createSocket('udp4');
    socket.bind({ address: giaddr, port: 0 });
    await once(socket, 'listening');
    socket.setRecvBufferSize(4 * 1024 * 1024);
    return new RelayClient(socket, port, giaddr, host);
  }

  /** Sends a request and gives the answer, or undefined when none comes within `timeoutMs`. */
  ask(words: RequestWords, timeoutMs = 2_000): Promise<DhcpPacket | undefined> {
    this.#lastXid += 1;
    const packet = request({
      giaddr: this.#giaddr,
      xid: this.#lastXid,
      ...words,
      options: { ...words.options, 82: Buffer.from([1, 2, 65, 66, 19, 0]) },
    });
    const key = keyOf(packet);
    return new Promise((resolve) => {
      const finish = (answer: DhcpPacket | undefined): void => {
        clearTimeout(timer);
        this.#waiting.delete(key);
        resolve(answer);
      };
      const timer = setTimeout(() => finish(undefined), timeoutMs);
      this.#waiting.set(key, finish);
      this.send(bytesOf(packet));
    });
  }

  /** DISCOVER, OFFER, REQUEST, ACK; gives the ACK, or undefined when any step got no answer or a refusal. */
  async acquire(mac: string, options: Record<number, string | Buffer> = {}): Promise<DhcpPacket | undefined> {
    const offer = await this.ask({ type: 1, mac, options });
    const serverId = offer?.options.get(54);
    if (offer === undefined || serverId === undefined) return undefined;
    const requested = Buffer.alloc(4);
    requested.writeUInt32BE(offer.yourIpAddress);
    const answer = await this.ask({ type: 3, mac, options: { ...options, 50: requested, 54: serverId } });
    return answer?.options.get(53)?.[0] === 5 ? answer : undefined;
  }

  /** Sends what gets no answer: a RELEASE, a DECLINE. */
  tell(words: RequestWords): void {
    this.send(bytesOf(request({ giaddr: this.#giaddr, ...words })));
  }

  send(bytes: Buffer): void {
    this.#socket.send(bytes, this.#port, this.#host);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#socket.close(() => resolve());
    });
  }
}

function keyOf(packet: DhcpPacket): string {
  return `${packet.transactionId} ${packet.clientHardwareAddress.toString('hex')}`;
}
