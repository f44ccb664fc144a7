/** ISC dhcpd from Debian in a network namespace, driven by its file and over OMAPI: a change in the database is what it answers. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { promisify } from 'node:util';
import { ensureTools } from '../../scripts/lib/debian-tools.mjs';
import { inProject } from '../../scripts/lib/project.mjs';
import { openDb, withTransaction, type Db } from '../../src/db/client.js';
import { followForServers, type Follower } from '../../src/interchange/external/follow.js';
import { iscServer } from '../../src/interchange/external/isc-server.js';
import { omapiServer } from '../../src/interchange/external/omapi-server.js';
import { parseExternalSettings } from '../../src/interchange/external/settings.js';
import { registerServers } from '../../src/interchange/external/store.js';
import { iscGroups } from '../../src/interchange/isc-dhcpd.js';
import { evaluateServed } from '../../src/nodes/served.js';
import { rewriteEntries } from '../../src/roles/builtin/dhcp-database.js';
import { createLogger } from '../../src/shared/logger.js';
import type { Answer } from '../support/dhcp-relay.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { addSiteNodes, bootInto } from '../support/site-nodes.js';
import { startTestServers, type TestServers } from '../support/test-servers.js';
import { waitFor } from '../support/wait-for.js';
import { whyNoFabric } from '../integration/dhcp/fabric.js';
import { seedSystemDeployment } from '../integration/nodes/builders.js';

const run = promisify(execFile);
const PLACE = { host: '192.0.2.9', httpPort: 8191 };
const MAC = '52:54:00:e3:00:01';
const SECRET = 'MDEyMzQ1Njc4OWFiY2RlZg==';
const namespace = `external${process.pid}`;
const client = `${namespace}c`;

let reason: string | undefined;
let servers: TestServers | undefined;
let dhcpd = '';
let folder: string;
let relay: { child: ChildProcess; lines: Interface };
let database: TestDatabase;
let db: Db;
let follower: Follower | undefined;

const at = (name: string) => path.join(folder, name);
const inNamespace = (name: string, argv: string[]) =>
  spawn('ip', ['netns', 'exec', name, ...argv], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } });

beforeAll(async () => {
  reason = await whyNoFabric();
  if (reason !== undefined) {
    process.stderr.write(`left out: ISC dhcpd in network namespaces ${reason}\n`);
    return;
  }
  servers = await startTestServers();
  dhcpd = (await ensureTools(['dhcpd'])).dhcpd.path;
  await run('ip', ['netns', 'add', namespace]);
  await run('ip', ['netns', 'add', client]);
  await run('ip', ['-n', namespace, 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan0', 'netns', client]);
  for (const [name, address] of [
    [namespace, '10.203.0.1/24'],
    [client, '10.203.0.2/24'],
  ] as const) {
    await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    await run('ip', ['-n', name, 'link', 'set', 'lan0', 'up']);
    await run('ip', ['-n', name, 'addr', 'add', address, 'dev', 'lan0']);
  }
  const child = inNamespace(client, ['node', '--import', 'tsx', inProject('test/support/dhcp-relay-main.ts'), '10.203.0.2', '10.203.0.1', '67']);
  relay = { child, lines: createInterface({ input: child.stdout }) };
  await once(relay.lines, 'line');
}, 120_000);
afterAll(async () => {
  if (reason !== undefined) return;
  const gone = once(relay.child, 'exit');
  relay.child.stdin?.end();
  await gone;
  for (const name of [namespace, client]) await run('ip', ['netns', 'del', name]);
  await servers?.stop();
});

beforeEach(async () => {
  if (reason !== undefined) return;
  database = await createTestDatabase();
  db = openDb({ url: database.url, applicationName: 'test' });
  await seedSystemDeployment(db);
  await db.pool.query(`INSERT INTO networks (id, name, subnet, dns, dhcp_mode) VALUES (1, 'lab', '10.203.0.0/24', '{}', 'off')`);
  folder = await mkdtemp(path.join(tmpdir(), 'prybar-dhcpd-'));
});
afterEach(async () => {
  if (reason !== undefined) return;
  await follower?.close();
  follower = undefined;
  await run('sh', [at('stop')]).catch(() => undefined);
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Scripts of the site's: what its init system would do. */
async function writeSite(configuration: string): Promise<void> {
  await writeFile(at('dhcpd.conf'), `authoritative;\n${configuration}\nsubnet 10.203.0.0 netmask 255.255.255.0 { range 10.203.0.100 10.203.0.199; }\n`);
  await writeFile(at('leases'), '');
  await writeFile(at('hosts'), '', { flag: 'a' });
  const stop = `pid=$(cat '${at('pid')}' 2>/dev/null) && kill $pid && while kill -0 $pid 2>/dev/null; do sleep 0.02; done`;
  await writeFile(at('stop'), `${stop}\ntrue\n`);
  const command = `ip netns exec ${namespace} '${dhcpd}' -4 -q -cf '${at('dhcpd.conf')}' -lf '${at('leases')}' -pf '${at('pid')}' lan0`;
  await writeFile(at('restart'), `${stop}\nexec ${command} 2>>'${at('errors')}'\n`);
}

async function discover(who: { arch?: number; ipxe?: boolean } = {}): Promise<Answer | null> {
  const answered = once(relay.lines, 'line');
  relay.child.stdin?.write(`${JSON.stringify({ mac: MAC, ...who })}\n`);
  return JSON.parse(String((await answered)[0])) as Answer | null;
}

async function follow(settings: string): Promise<void> {
  const servers = parseExternalSettings(`servers: [{ name: campus, networks: [lab], ${settings} }]`, 'external.yml');
  await registerServers(db.pool, 'test', servers);
  follower = followForServers({
    pool: db.pool,
    log: createLogger('test', 'silent'),
    servers: servers.map((one) => {
      if (one.kind === 'isc-dhcpd') return { name: one.name, backEnd: iscServer(one, PLACE) };
      if (one.kind === 'isc-omapi') return { name: one.name, backEnd: omapiServer(one) };
      throw new Error(one.kind);
    }),
    pollMs: 20,
    gatherMs: 10,
  });
}

const served = async (nodeId: number) => withTransaction(db.pool, (tx) => evaluateServed(tx, nodeId));
const isServed = (nodeId: number) => async () => (await served(nodeId)).served;
const row = async () => (await db.pool.query<{ problem: string | null; writes: number; served_revision: number }>('SELECT * FROM external_servers')).rows[0];

async function addNode(): Promise<number> {
  const [node] = await addSiteNodes(db, 1, [{ name: 'n1.lab', mac: MAC, address: '10.203.0.5', bootenv: 'discovery' }]);
  if (node === undefined) throw new Error('no node');
  return node;
}

/** The life of a machine as every kind of dhcpd answers it. */
async function expectAnswers(node: number): Promise<void> {
  await waitFor(isServed(node), { what: 'the node to be served' });
  expect(await discover()).toMatchObject({ address: '10.203.0.5', nextServer: PLACE.host, file: 'snponly.efi' });
  expect((await discover({ arch: 0 }))?.file).toBe('undionly.kpxe');
  expect((await discover({ ipxe: true }))?.file).toBe('http://192.0.2.9:8191/boot/ipxe/${net0/mac}');
  await bootInto(db, node, 'local');
  expect((await served(node)).served).toBe(false);
  await waitFor(isServed(node), { what: 'the change to be served' });
  expect(await discover()).toMatchObject({ address: '10.203.0.5', file: '' });
  await bootInto(db, node, 'debian-12');
  await waitFor(isServed(node), { what: 'the second change to be served' });
  expect(await discover()).toMatchObject({ file: 'snponly.efi' });
}

describe('ISC dhcpd, driven by Prybar', () => {
  it('answers what the database says by an included file and a restart', async () => {
    if (reason !== undefined) return;
    await writeSite(`include "${at('hosts')}";`);
    const node = await addNode();
    await follow(
      `kind: isc-dhcpd, hosts_file: ${at('hosts')}, pid_file: ${at('pid')}, restart: [sh, ${at('restart')}], check: ['${dhcpd}', -t, -q, -cf, ${at('dhcpd.conf')}]`,
    );
    await expectAnswers(node);
    expect((await discover())?.hostname).toBe('n1');
  });

  it('keeps the file that works when dhcpd would refuse the new one, says why, and goes on when it does not', async () => {
    if (reason !== undefined) return;
    await writeSite(`include "${at('hosts')}";`);
    const node = await addNode();
    await follow(
      `kind: isc-dhcpd, hosts_file: ${at('hosts')}, pid_file: ${at('pid')}, restart: [sh, ${at('restart')}], check: ['${dhcpd}', -t, -q, -cf, ${at('dhcpd.conf')}]`,
    );
    await waitFor(isServed(node), { what: 'the node to be served' });
    const before = await readFile(at('hosts'), 'utf8');
    const sound = await readFile(at('dhcpd.conf'), 'utf8');
    await writeFile(at('dhcpd.conf'), `${sound}\nnonsense\n`);
    await bootInto(db, node, 'local');
    await waitFor(async () => (await row())?.problem, { what: 'the problem' });
    expect((await served(node)).waitingFor).toEqual([
      expect.stringMatching(/^the isc-dhcpd server on campus serves revision 1 of 2: .*dhcpd -t .* failed \(1\)/),
    ]);
    expect(await readFile(at('hosts'), 'utf8')).toBe(before);
    expect(await discover()).toMatchObject({ file: 'snponly.efi' });
    await writeFile(at('dhcpd.conf'), sound);
    await waitFor(isServed(node), { what: 'the node to be served' });
  });

  it('answers what the database says over OMAPI, without a restart', async () => {
    if (reason !== undefined) return;
    const bridge = await startOmapi();
    try {
      const node = await addNode();
      const pid = await readFile(at('pid'), 'utf8');
      await follow(`kind: isc-omapi, port: ${bridge.port}, key_name: prybar, key_file: ${at('key')}`);
      await expectAnswers(node);

      const before = await row();
      let revision: number | null = null;
      for (let change = 0; change < 200; change++) revision = await bootInto(db, node, change % 2 === 0 ? 'local' : 'discovery');
      await waitFor(async () => (await row())?.served_revision === revision, { what: 'the burst to be served' });
      expect(((await row())?.writes ?? 0) - (before?.writes ?? 0)).toBeLessThan(100);

      await withTransaction(db.pool, async (tx) => {
        await tx.query('DELETE FROM reservations');
        await tx.query('UPDATE nodes SET deleting = true');
        await rewriteEntries(tx, [node]);
      });
      await waitFor(async () => (await row())?.served_revision === (revision ?? 0) + 1, { what: 'the withdrawal' });
      expect((await discover())?.address).not.toBe('10.203.0.5');
      expect(await readFile(at('pid'), 'utf8')).toBe(pid);
    } finally {
      await bridge.close();
    }
  });

  it('says over OMAPI what is wrong: a key that is not the server’s, a server that is not there', async () => {
    if (reason !== undefined) return;
    const bridge = await startOmapi();
    try {
      await addNode();
      await writeFile(at('key'), 'd3Jvbmcgc2VjcmV0IGhlcmU=\n');
      await follow(`kind: isc-omapi, port: ${bridge.port}, key_name: prybar, key_file: ${at('key')}`);
      await waitFor(async () => /key_file/.test((await row())?.problem ?? ''), { what: 'the problem of the key' });
      await writeFile(at('key'), `${SECRET}\n`);
      await waitFor(async () => (await row())?.problem === null, { what: 'the key to be taken' });
    } finally {
      await bridge.close();
    }
    await bootInto(db, 1, 'local');
    await waitFor(async () => /OMAPI/.test((await row())?.problem ?? ''), { what: 'the problem of the server' });
  });
});

/** dhcpd with its OMAPI port, which is in the namespace, on a loopback port here. */
async function startOmapi(): Promise<{ port: number; close(): Promise<void> }> {
  await writeFile(at('key'), `${SECRET}\n`);
  await writeSite(`omapi-port 7911;\nkey prybar { algorithm hmac-md5; secret ${SECRET}; }\nomapi-key prybar;\n${iscGroups(PLACE)}`);
  await run('sh', [at('restart')]);
  const inner = inNamespace(namespace, ['node', inProject('test/support/tcp-bridge-main.mjs'), at('omapi.sock'), '7911']);
  await once(createInterface({ input: inner.stdout }), 'line');
  const sockets = new Set<{ destroy(): void }>();
  const outer: Server = createServer((near) => {
    const far = connect(at('omapi.sock'));
    sockets.add(near).add(far);
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
  }).listen(0, '127.0.0.1');
  await once(outer, 'listening');
  const address = outer.address();
  return {
    port: address === null || typeof address === 'string' ? 0 : address.port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => outer.close(resolve));
      const gone = once(inner, 'exit');
      inner.kill('SIGTERM');
      await gone;
    },
  };
}
