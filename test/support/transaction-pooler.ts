/**
 * A transaction pooler, as small as one can be: clients share a few server connections and keep one only for a transaction.
 * It speaks the simple query protocol of PostgreSQL (https://www.postgresql.org/docs/current/protocol-message-formats.html),
 * takes every password, and answers every value as text.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import pg from 'pg';

const SSL_REQUEST = 80_877_103;
const TEXT_OID = 25;

export type TransactionPooler = { url: string; close(): Promise<void> };

/** Before the server at `url`, with so many connections to it. */
export async function startTransactionPooler(url: string, size: number): Promise<TransactionPooler> {
  const servers = Array.from({ length: size }, () => new pg.Client({ connectionString: url }));
  await Promise.all(servers.map((server) => server.connect()));
  const free = [...servers];
  const waiting: ((server: pg.Client) => void)[] = [];
  const take = () => {
    const server = free.pop();
    return server === undefined ? new Promise<pg.Client>((resolve) => waiting.push(resolve)) : Promise.resolve(server);
  };
  const give = (server: pg.Client) => {
    const next = waiting.shift();
    if (next === undefined) free.push(server);
    else next(server);
  };
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    serveClient(socket, take, give);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const pooled = new URL(url);
  pooled.hostname = '127.0.0.1';
  pooled.port = String((listener.address() as AddressInfo).port);
  return {
    url: pooled.href,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
      await Promise.all(servers.map((server) => server.end()));
    },
  };
}

function serveClient(socket: Socket, take: () => Promise<pg.Client>, give: (server: pg.Client) => void): void {
  let held: pg.Client | undefined;
  let buffer = Buffer.alloc(0);
  let isStarted = false;
  let work = Promise.resolve();
  const release = () => {
    if (held === undefined) return;
    const server = held;
    held = undefined;
    // The pool may be closing: then nobody needs the connection any more.
    server.query('ROLLBACK').then(
      () => give(server),
      () => undefined,
    );
  };
  socket.on('close', release);
  const runQuery = async (text: string): Promise<void> => {
    const server = held ?? (await take());
    if (socket.destroyed) return give(server);
    const { rows, fields } = await server.query<(string | number | null)[]>({ text, rowMode: 'array' });
    held = /^begin/i.test(text) ? server : /^(commit|rollback)/i.test(text) ? undefined : held;
    if (held === undefined) give(server);
    if (fields.length > 0) socket.write(Buffer.concat([rowDescription(fields.map((field) => field.name)), ...rows.map(dataRow)]));
    socket.write(Buffer.concat([message('C', cString('OK')), message('Z', Buffer.from(held === undefined ? 'I' : 'T'))]));
  };
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const head = isStarted ? 1 : 0;
      if (buffer.length < head + 4 || buffer.length < head + buffer.readInt32BE(head)) return;
      const length = head + buffer.readInt32BE(head);
      const body = buffer.subarray(head + 4, length);
      const type = isStarted ? String.fromCharCode(buffer[0] ?? 0) : 'startup';
      buffer = buffer.subarray(length);
      if (type === 'startup' && body.readInt32BE(0) === SSL_REQUEST) socket.write('N');
      else if (type === 'startup') {
        isStarted = true;
        // AuthenticationOk, then ready.
        socket.write(Buffer.concat([message('R', Buffer.alloc(4)), message('K', Buffer.alloc(8)), message('Z', Buffer.from('I'))]));
      } else if (type === 'Q') work = work.then(() => runQuery(body.toString('utf8').replace(/\0$/, ''))).catch(() => void socket.destroy());
      else if (type === 'X') socket.end();
    }
  });
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

function rowDescription(names: string[]): Buffer {
  const fields = names.map((name) => {
    const rest = Buffer.alloc(18);
    rest.writeInt32BE(TEXT_OID, 6);
    rest.writeInt16BE(-1, 10);
    rest.writeInt32BE(-1, 12);
    return Buffer.concat([cString(name), rest]);
  });
  const count = Buffer.alloc(2);
  count.writeInt16BE(fields.length);
  return message('T', Buffer.concat([count, ...fields]));
}

function dataRow(values: (string | number | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(values.length);
  const cells = values.map((value) => {
    const bytes = value === null ? Buffer.alloc(0) : Buffer.from(String(value));
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : bytes.length);
    return Buffer.concat([length, bytes]);
  });
  return message('D', Buffer.concat([count, ...cells]));
}
