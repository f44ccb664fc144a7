/** dnsmasq from Debian, driven by Prybar: a change in the database is what it answers, and nothing is called served before that. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { isAlive } from '../../../src/db/os-process.js';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { dnsmasqConfiguration } from '../../../src/interchange/dnsmasq.js';
import { dnsmasqServer } from '../../../src/interchange/external/dnsmasq-server.js';
import { followForServers, type Follower } from '../../../src/interchange/external/follow.js';
import { parseExternalSettings, type DnsmasqSettings } from '../../../src/interchange/external/settings.js';
import { registerServers } from '../../../src/interchange/external/store.js';
import { evaluateServed } from '../../../src/nodes/served.js';
import { rewriteEntries } from '../../../src/roles/builtin/dhcp-database.js';
import { createLogger } from '../../../src/shared/logger.js';
import { holdUdp } from '../../e2e/support/free-ports.js';
import { openRelay, type Relay } from '../../support/dhcp-relay.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { addSiteNodes, bootInto } from '../../support/site-nodes.js';
import { waitFor } from '../../support/wait-for.js';
import { seedSystemDeployment } from '../nodes/builders.js';

const run = promisify(execFile);

const PLACE = { host: '192.0.2.9', httpPort: 8191 };
const MAC = '52:54:00:e1:00:01';
const RELAY = '127.88.0.2';

let tool: { path: string; env: NodeJS.ProcessEnv };
let port = 0;
beforeAll(async () => {
  tool = (await ensureTools(['dnsmasq'])).dnsmasq;
  const held = await holdUdp();
  port = held.port;
  await held.close();
}, 120_000);

let database: TestDatabase;
let db: Db;
let folder: string;
let relay: Relay;
let follower: Follower | undefined;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'test' });
  await emptyTables(db.pool);
  await seedSystemDeployment(db);
  await db.pool.query(`INSERT INTO networks (id, name, subnet, dns, dhcp_mode) VALUES (1, 'lab', '127.88.0.0/24', '{}', 'off')`);
  folder = await mkdtemp(path.join(tmpdir(), 'prybar-dnsmasq-'));
  relay = await openRelay(RELAY, { address: '127.0.0.1', port });
});
afterEach(async () => {
  await follower?.close();
  follower = undefined;
  await stopServer();
  await relay.close();
  await db.close();
  await rm(folder, { recursive: true, force: true });
});

const at = (name: string) => path.join(folder, name);
const text = (name: string) => readFile(at(name), 'utf8');
const row = async () => (await db.pool.query<{ served_revision: number; problem: string | null; writes: number }>('SELECT * FROM external_servers')).rows[0];
const served = async (nodeId: number) => withTransaction(db.pool, (tx) => evaluateServed(tx, nodeId));

/** Runs as a daemon, so that a command of the site's can restart it. */
async function startServer(): Promise<void> {
  for (const name of ['hosts', 'options']) await writeFile(at(name), '', { flag: 'a' });
  const configuration = [
    'port=0',
    'interface=lo',
    'bind-interfaces',
    'no-ping',
    `dhcp-alternate-port=${port},${port === 65_535 ? 1024 : port + 1}`,
    'dhcp-range=127.88.0.100,127.88.0.199,255.255.255.0,1h',
    `dhcp-leasefile=${at('leases')}`,
    `pid-file=${at('pid')}`,
    `log-facility=${at('log')}`,
    `user=${userInfo().username}`,
    dnsmasqConfiguration({ hosts: at('hosts'), options: at('options') }),
  ];
  await writeFile(at('dnsmasq.conf'), configuration.join('\n'));
  const start = `'${tool.path}' -C '${at('dnsmasq.conf')}'`;
  await writeFile(at('restart'), `pid=$(cat '${at('pid')}') && kill $pid && while kill -0 $pid 2>/dev/null; do sleep 0.02; done\nexec ${start}\n`);
  await run('sh', ['-c', start], { env: tool.env });
  await waitFor(async () => (await text('log')).includes('read '), { what: 'dnsmasq to start' });
}

async function stopServer(): Promise<void> {
  const pid = Number(await text('pid').catch(() => ''));
  if (pid < 2 || pid === process.pid || !isAlive(pid)) return;
  process.kill(pid, 'SIGTERM');
  await waitFor(() => !isAlive(pid), { what: 'dnsmasq to end' });
}

async function follow(more = ''): Promise<void> {
  const yaml = `servers:\n- {name: lab, kind: dnsmasq, networks: [lab], hosts_file: ${at('hosts')}, options_file: ${at('options')}, pid_file: ${at('pid')}${more}}`;
  const servers = parseExternalSettings(yaml, 'external.yml');
  await registerServers(db.pool, 'test', servers);
  follower = followForServers({
    pool: db.pool,
    log: createLogger('test', 'silent'),
    servers: servers.map((one) => ({ name: one.name, backEnd: dnsmasqServer(one as DnsmasqSettings, PLACE) })),
    pollMs: 20,
    gatherMs: 20,
  });
}

const isAt = (revision: number | null) => async () => (await row())?.served_revision === revision;

describe('dnsmasq, driven by Prybar', () => {
  it.each([
    ['its log', true],
    ['the access time of its files', false],
  ])('answers what the database says upon SIGHUP, and is called served only then (proof: %s)', async (_, withLog) => {
    await startServer();
    expect((await relay.discover(MAC))?.file).toBe('');
    const [node] = await addSiteNodes(db, 1, [{ name: 'n1.lab', mac: MAC, address: '127.88.0.5', bootenv: 'discovery' }]);
    if (node === undefined) throw new Error('no node');
    expect((await served(node)).waitingFor).toContain('no DHCP server serves the network of the node');
    await follow(withLog ? `, log_file: ${at('log')}` : '');
    await waitFor(async () => (await served(node)).served, { what: 'the node to be served' });

    expect(await relay.discover(MAC)).toEqual({ address: '127.88.0.5', nextServer: PLACE.host, file: 'snponly.efi', hostname: 'n1' });
    expect((await relay.discover(MAC, { arch: 0 }))?.file).toBe('undionly.kpxe');
    expect((await relay.discover(MAC, { ipxe: true }))?.file).toBe('http://192.0.2.9:8191/boot/ipxe/${net0/mac}');

    // Withdrawn: dnsmasq knows it no more.
    await withTransaction(db.pool, async (tx) => {
      await tx.query('DELETE FROM reservations');
      await tx.query('UPDATE nodes SET deleting = true');
      await rewriteEntries(tx, [node]);
    });
    await waitFor(isAt(2), { what: 'the withdrawal to be served' });
    expect(await relay.discover(MAC)).toMatchObject({ file: '' });
  });

  it('gives the new boot file after a change, by tags and a restart', async () => {
    await startServer();
    const [node] = await addSiteNodes(db, 1, [{ name: 'n1.lab', mac: MAC, address: '127.88.0.5', bootenv: 'discovery' }]);
    if (node === undefined) throw new Error('no node');
    await follow(`, tags: true, restart: [sh, ${at('restart')}]`);
    await waitFor(async () => (await served(node)).served, { what: 'the node to be served' });
    expect(await relay.discover(MAC)).toMatchObject({ address: '127.88.0.5', file: 'snponly.efi' });

    const local = await bootInto(db, node, 'local');
    expect((await served(node)).served).toBe(false);
    await waitFor(isAt(local), { what: 'the change to be served' });
    expect((await served(node)).served).toBe(true);
    expect(await relay.discover(MAC)).toMatchObject({ address: '127.88.0.5', file: '' });

    await waitFor(isAt(await bootInto(db, node, 'debian-12')), { what: 'the change to be served' });
    expect(await relay.discover(MAC)).toMatchObject({ file: 'snponly.efi' });
    expect(await text('hosts')).toContain('set:prybar-env-debian-12,');
  });

  it('writes a burst of 1,000 changes a few times, and unchanged lines not at all', async () => {
    await startServer();
    const many = Array.from({ length: 250 }, (_, index) => ({
      name: `b${index}`,
      mac: `52:54:00:e1:01:${index.toString(16).padStart(2, '0')}`,
      address: `127.88.0.${index + 3}`,
      bootenv: 'local',
    })).filter((node) => Number(node.address.split('.')[3]) < 100 || Number(node.address.split('.')[3]) > 199);
    const ids = await addSiteNodes(db, 1, many);
    await follow(`, log_file: ${at('log')}`);
    await waitFor(async () => (await served(ids[0] ?? 0)).served, { what: 'the nodes to be served' });
    const before = await row();
    const lines = (await text('hosts')).split('\n');

    let revision: number | null = null;
    for (let change = 0; change < 1000; change++) {
      revision = await withTransaction(db.pool, async (tx) => {
        await tx.query('UPDATE nodes SET name = $2 WHERE id = $1', [ids[0], `renamed${change}`]);
        return rewriteEntries(tx, [ids[0] ?? 0]);
      });
    }
    await waitFor(isAt(revision), { what: 'the burst to be served' });
    const writes = ((await row())?.writes ?? 0) - (before?.writes ?? 0);
    process.stderr.write(`  1,000 changes: ${writes} files written\n`);
    expect(writes).toBeLessThan(200);
    const after = (await text('hosts')).split('\n');
    expect(after.filter((line, index) => line !== lines[index])).toEqual([expect.stringContaining('renamed999')]);

    const { mtimeMs, ino } = await stat(at('hosts'));
    await db.pool.query('UPDATE dhcp_table SET revision = revision + 1');
    await waitFor(isAt((revision ?? 0) + 1), { what: 'a revision that changes nothing here' });
    expect(await stat(at('hosts'))).toMatchObject({ mtimeMs, ino });
  });

  it('says why it does not serve, goes on trying, and serves when it can', async () => {
    const [node] = await addSiteNodes(db, 1, [{ name: 'n1', mac: MAC, address: '127.88.0.5', bootenv: 'discovery' }]);
    if (node === undefined) throw new Error('no node');
    await follow(`, log_file: ${at('log')}`);
    await waitFor(async () => (await row())?.problem, { what: 'the problem' });
    expect((await served(node)).waitingFor).toEqual([`the dnsmasq server on lab serves revision 0 of 1: dnsmasq is not running: ${at('pid')} does not exist`]);
    // Somebody else's process under the number of the pid file is never signalled.
    await writeFile(at('pid'), String(process.pid));
    await waitFor(async () => (await row())?.problem?.includes(`process ${process.pid}`), { what: 'the stranger to be seen' });

    await startServer();
    await waitFor(async () => (await served(node)).served, { what: 'the node to be served' });
    expect((await row())?.problem).toBeNull();

    // Nothing has changed, but nobody would answer: the next change, or the look every few seconds, finds out.
    await stopServer();
    await bootInto(db, node, 'debian-12');
    await waitFor(async () => (await row())?.problem, { what: 'the server to be missed' });
    expect((await served(node)).served).toBe(false);
  });

  it('waits for a server that nobody drives: it answers from its files all the same', async () => {
    await startServer();
    const [node] = await addSiteNodes(db, 1, [{ name: 'n1', mac: MAC, address: '127.88.0.5', bootenv: 'discovery' }]);
    if (node === undefined) throw new Error('no node');
    await follow(`, log_file: ${at('log')}`);
    await waitFor(async () => (await served(node)).served, { what: 'the node to be served' });
    await follower?.close();
    follower = undefined;
    await bootInto(db, node, 'debian-12');
    expect((await served(node)).waitingFor).toEqual(['the dnsmasq server on lab serves revision 1 of 2: no Prybar on test drives it']);
    expect(await relay.discover(MAC)).toMatchObject({ file: 'snponly.efi' });
  });
});
