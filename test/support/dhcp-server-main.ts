/**
 * A DHCP server as a process of its own, for tests that need one in another network namespace. It is given its database by
 * DATABASE_URL and its sockets by PRYBAR_DHCP_FDS (scripts/dhcp-sockets.pl) or its interface by DHCP_INTERFACE; prints
 * `listening` when it answers and its counters as JSON when it is told to stop by closing its standard input.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { DhcpServer } from '../../src/dhcp/server.js';
import { parseInheritedFds, type SocketPlan } from '../../src/dhcp/sockets.js';

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] ?? '' });
const server = new DhcpServer({
  pool,
  logger: pino({ level: process.env['LOG_LEVEL'] ?? 'warn' }, pino.destination({ dest: 2, sync: true })),
  sockets: socketPlan(),
  server: { id: randomUUID(), host: 'namespace', incarnation: 'test' },
  boot: { httpPort: 8080 },
});

// Before the start: the process must end with the test that started it, however far it got.
process.stdin.resume();
process.stdin.once('end', () => void stop());
await server.start();
process.stdout.write('listening\n');

async function stop(): Promise<void> {
  const counters = server.counters();
  await server.close();
  await pool.end();
  process.stdout.write(`${JSON.stringify(counters)}\n`, () => process.exit());
}

function socketPlan(): SocketPlan {
  const name = process.env['DHCP_INTERFACE'];
  if (name !== undefined) return { kind: 'interface', name };
  const fds = parseInheritedFds(process.env['PRYBAR_DHCP_FDS'] ?? '');
  if (!fds.ok) throw new Error(fds.error);
  const packetFds = process.env['PRYBAR_PACKET_FDS'];
  const packets = packetFds === undefined ? undefined : parseInheritedFds(packetFds);
  return { kind: 'inherited', fds: fds.value, ...(packets?.ok === true ? { packetFds: packets.value } : {}) };
}
