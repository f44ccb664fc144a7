/**
 * Links of pxelinux below the root of tftpd-hpa from Debian, as MOC's head node has them: what a machine fetches is what the database
 * says. tftpd-hpa changes its root folder and its user, which root alone may; otherwise left out, and said so.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureTools } from '../../scripts/lib/debian-tools.mjs';
import { openDb, withTransaction, type Db } from '../../src/db/client.js';
import { followForServers, type Follower } from '../../src/interchange/external/follow.js';
import { pxelinuxServer } from '../../src/interchange/external/pxelinux-server.js';
import { parseExternalSettings, type PxelinuxSettings } from '../../src/interchange/external/settings.js';
import { registerServers } from '../../src/interchange/external/store.js';
import { evaluateServed } from '../../src/nodes/served.js';
import { createLogger } from '../../src/shared/logger.js';
import { seedSystemDeployment } from '../integration/nodes/builders.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { addSiteNodes, bootInto } from '../support/site-nodes.js';
import { startTestServers, type TestServers } from '../support/test-servers.js';
import { fetchFile } from '../support/tftp-client.js';
import { waitFor } from '../support/wait-for.js';
import { holdUdp } from './support/free-ports.js';

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('left out: pxelinux links below tftpd-hpa, which needs root to change its root folder\n');

const LINK = 'pxelinux.cfg/01-52-54-00-e2-00-01';
let servers: TestServers;
let database: TestDatabase;
let db: Db;
let root: string;
let port: number;
let tftpd: ChildProcess;
let follower: Follower | undefined;

beforeAll(async () => {
  if (!isRoot) return;
  servers = await startTestServers();
  database = await createTestDatabase();
  db = openDb({ url: database.url, applicationName: 'test' });
  await seedSystemDeployment(db);
  await db.pool.query(`INSERT INTO networks (id, name, subnet, dns) VALUES (1, 'moc', '192.168.10.0/24', '{}')`);
  await db.pool.query(
    `INSERT INTO boot_servers (id, kind, host, networks, status, served_revision, lease_until) VALUES (gen_random_uuid(), 'dhcp', 'boot1', '{}', 'serving', 1000, 'infinity')`,
  );
  root = await mkdtemp(path.join(tmpdir(), 'prybar-hpa-'));
  await chmod(root, 0o755);
  for (const folder of ['pxelinux.cfg', 'debian-12']) await mkdir(path.join(root, folder));
  await writeFile(path.join(root, 'debian-12', 'pxelinux.cfg'), 'default debian\n');
  const held = await holdUdp();
  port = held.port;
  await held.close();
  const hpa = (await ensureTools(['tftpd-hpa']))['tftpd-hpa'];
  tftpd = spawn(hpa.path, ['--foreground', '--address', `127.0.0.1:${port}`, '--user', 'nobody', '--secure', root], { env: hpa.env, stdio: 'ignore' });
  await waitFor(async () => (await fetchFile(port, 'debian-12/pxelinux.cfg')).content.length > 0, { what: 'tftpd-hpa to answer' });
}, 120_000);

afterAll(async () => {
  if (!isRoot) return;
  await follower?.close();
  const ended = once(tftpd, 'exit');
  tftpd.kill('SIGTERM');
  await ended;
  await db.close();
  await database.drop();
  await servers.stop();
  await rm(root, { recursive: true, force: true });
});

const asked = async (file: string) => {
  const { content, error } = await fetchFile(port, file);
  return error ?? content.toString();
};

it('a machine fetches its installation while that is wanted, then nothing of its own, and the default boots the disk', async () => {
  if (!isRoot) return;
  const [node = 0] = await addSiteNodes(db, 1, [{ name: 'n1', mac: '52:54:00:e2:00:01', bootenv: 'debian-12' }]);
  const yaml = `servers: [{ name: moc, kind: pxelinux, networks: [moc], directory: ${path.join(root, 'pxelinux.cfg')}, targets: { discovery: null } }]`;
  const settings = parseExternalSettings(yaml, 'external.yml');
  await registerServers(db.pool, 'head', settings);
  const log = createLogger('test', 'silent');
  const driven = settings.map((one) => ({ name: one.name, backEnd: pxelinuxServer(one as PxelinuxSettings) }));
  follower = followForServers({ pool: db.pool, log, servers: driven, pollMs: 20, gatherMs: 10 });
  const isServed = async () => (await withTransaction(db.pool, (tx) => evaluateServed(tx, node))).served;
  await waitFor(isServed, { what: 'the link' });
  expect(await asked(LINK)).toBe('default debian\n');

  await bootInto(db, node, 'local');
  await waitFor(isServed, { what: 'the link to go' });
  expect(await asked(LINK)).toMatch(/^1 /);
  expect(await asked('pxelinux.cfg/default')).toContain('LOCALBOOT 0');
}, 60_000);
