import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../../src/db/embedded.js';
import { isAlive } from '../../../src/db/os-process.js';
import { findPostmaster } from '../../../src/db/postmaster.js';
import { waitFor } from '../../support/wait-for.js';

const log = { info: () => {}, warn: () => {} };

let parent: string;
let steps: string[];
const running: EmbeddedPostgres[] = [];

async function start(): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir: join(parent, 'a b', 'postgres'), log, onStep: (step) => steps.push(step) });
  running.push(server);
  return server;
}

async function query(server: EmbeddedPostgres, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const postmasterOf = (server: EmbeddedPostgres) => findPostmaster(join(server.dataDir, 'cluster'));

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'prybar-embedded-'));
  chmodSync(parent, 0o755);
  steps = [];
});

afterEach(async () => {
  for (const server of running.splice(0)) {
    await server.stop();
    rmSync(server.dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }); // elsewhere than asked for, when root runs this below /root
  }
  rmSync(parent, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

it('starts in a path with a space, keeps the password 0600 and out of the command line, and stops for good', async () => {
  const server = await start();
  const password = readFileSync(join(server.dataDir, 'password'), 'utf8');
  expect(statSync(join(server.dataDir, 'password')).mode & 0o777).toBe(0o600);
  const pid = postmasterOf(server)?.pid ?? -1;
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password);
  await server.stop();
  expect(isAlive(pid)).toBe(false);
  expect(existsSync(join(server.dataDir, 'cluster', 'postmaster.pid'))).toBe(false);
});

it('comes back with its data after the postmaster was killed', async () => {
  const first = await start();
  await query(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
  const pid = postmasterOf(first)?.pid ?? -1;
  process.kill(pid, 'SIGKILL');
  await waitFor(() => !isAlive(pid), { what: 'the killed postmaster to be gone' });
  const second = await start();
  expect(second.reused).toBe(false);
  expect(await query(second, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
});

it('starts although postmaster.pid names a process that is something else now', async () => {
  const first = await start();
  await query(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
  const pidFile = join(first.dataDir, 'cluster', 'postmaster.pid');
  const content = readFileSync(pidFile, 'utf8').split('\n');
  await first.stop();
  writeFileSync(pidFile, [String(process.pid), ...content.slice(1)].join('\n'));
  const second = await start();
  expect(await query(second, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
});

it('joins a server that is still running', async () => {
  const first = await start();
  const second = await start();
  expect(second.reused).toBe(true);
  expect(postmasterOf(second)?.pid).toBe(postmasterOf(first)?.pid);
  expect(await query(second, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

it('gives one server to two that start at the same time', async () => {
  const [first, second] = await Promise.all([start(), start()]);
  expect([first, second].filter((server) => server.reused)).toHaveLength(1);
  expect(first.url).toBe(second.url);
});

it('takes another port when its own was taken, says so and remembers it', async () => {
  const first = await start();
  const port = Number(new URL(first.url).port);
  await first.stop();
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve));
  const second = await start();
  const newPort = Number(new URL(second.url).port);
  expect(newPort).not.toBe(port);
  expect(steps.join('\n')).toContain(`port ${port} is in use`);
  await second.stop();
  await new Promise((resolve) => squatter.close(resolve));
  expect(Number(new URL((await start()).url).port)).toBe(newPort);
});
