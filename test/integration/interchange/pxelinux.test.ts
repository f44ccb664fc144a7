/** Links below a TFTP root, as MOC's head node has them, and what is said when they cannot be made. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { openDb, withTransaction, type Db } from '../../../src/db/client.js';
import { writeIfChanged } from '../../../src/interchange/external/atomic-file.js';
import { followForServers, type Follower } from '../../../src/interchange/external/follow.js';
import { pxelinuxServer } from '../../../src/interchange/external/pxelinux-server.js';
import { parseExternalSettings, type PxelinuxSettings } from '../../../src/interchange/external/settings.js';
import { registerServers } from '../../../src/interchange/external/store.js';
import { evaluateServed } from '../../../src/nodes/served.js';
import { createLogger } from '../../../src/shared/logger.js';
import { emptyTables } from '../../support/empty-tables.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { addSiteNodes, bootInto } from '../../support/site-nodes.js';
import { waitFor } from '../../support/wait-for.js';
import { seedSystemDeployment } from '../nodes/builders.js';

const run = promisify(execFile);
const MAC = '52:54:00:e2:00:01';
const LINK = '01-52-54-00-e2-00-01';

let database: TestDatabase;
let db: Db;
let root: string;
let follower: Follower | undefined;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = openDb({ url: database.url, applicationName: 'test' });
  await emptyTables(db.pool);
  await seedSystemDeployment(db);
  await db.pool.query(`INSERT INTO networks (id, name, subnet, dns) VALUES (1, 'moc', '192.168.10.0/24', '{}')`);
  // Our own DHCP server gives the addresses: both have to confirm.
  await db.pool.query(
    `INSERT INTO boot_servers (id, kind, host, networks, status, served_revision, lease_until) VALUES (gen_random_uuid(), 'dhcp', 'boot1', '{}', 'serving', 1000, 'infinity')`,
  );
  root = await mkdtemp(path.join(tmpdir(), 'prybar-pxelinux-'));
  await mkdir(path.join(root, 'pxelinux.cfg'));
});
afterEach(async () => {
  await follower?.close();
  follower = undefined;
  await db.close();
  await rm(root, { recursive: true, force: true });
});

const at = (name: string) => path.join(root, 'pxelinux.cfg', name);
const served = async (nodeId: number) => withTransaction(db.pool, (tx) => evaluateServed(tx, nodeId));
const isServed = (nodeId: number) => async () => (await served(nodeId)).served;
const isAbsent = async (name: string) =>
  lstat(at(name)).then(
    () => false,
    () => true,
  );

async function follow(): Promise<void> {
  const servers = parseExternalSettings(
    `servers: [{ name: moc, kind: pxelinux, networks: [moc], directory: ${path.join(root, 'pxelinux.cfg')}, targets: { discovery: null } }]`,
    'external.yml',
  );
  await registerServers(db.pool, 'head', servers);
  follower = followForServers({
    pool: db.pool,
    log: createLogger('test', 'silent'),
    servers: servers.map((one) => ({ name: one.name, backEnd: pxelinuxServer(one as PxelinuxSettings) })),
    pollMs: 20,
    gatherMs: 10,
  });
}

describe('pxelinux links', () => {
  it('are made for an installation and gone when the machine boots its disk; both are served only when they are on the disk', async () => {
    await mkdir(path.join(root, 'debian-12'));
    await writeFile(path.join(root, 'debian-12', 'pxelinux.cfg'), 'default debian\n');
    const [node] = await addSiteNodes(db, 1, [{ name: 'n1', mac: MAC, bootenv: 'debian-12' }]);
    if (node === undefined) throw new Error('no node');
    await follow();
    await waitFor(isServed(node), { what: 'the link' });
    expect(await readlink(at(LINK))).toBe('../debian-12/pxelinux.cfg');
    expect(await readFile(at(LINK), 'utf8')).toBe('default debian\n');
    expect(await readFile(at('default'), 'utf8')).toContain('LOCALBOOT 0');

    await bootInto(db, node, 'local');
    expect((await served(node)).served).toBe(false);
    await waitFor(isServed(node), { what: 'the link to go' });
    expect(await isAbsent(LINK)).toBe(true);
    expect((await readdir(path.join(root, 'pxelinux.cfg'))).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('are not made into nothing: the node is not served, why says which file is missing, and it goes on when it is there', async () => {
    await writeFile(at('default'), 'default site\n');
    const [node] = await addSiteNodes(db, 1, [{ name: 'n1', mac: MAC, bootenv: 'rocky-9' }]);
    if (node === undefined) throw new Error('no node');
    await follow();
    const missing = path.join(root, 'rocky-9', 'pxelinux.cfg');
    await waitFor(async () => (await served(node)).waitingFor[0]?.includes(missing), { what: 'the reason' });
    expect((await served(node)).waitingFor).toEqual([
      `the pxelinux server on moc serves revision 0 of 1: ${missing} does not exist: bootenv rocky-9 needs it, or a line of its own under targets`,
    ]);
    await mkdir(path.dirname(missing));
    await writeFile(missing, 'default rocky\n');
    await waitFor(isServed(node), { what: 'the link' });
    expect(await readFile(at('default'), 'utf8')).toBe('default site\n');
  });
});

describe('a file of another program', () => {
  it('stays as it was when the disk is full', async () => {
    if (process.getuid?.() !== 0) {
      process.stderr.write('left out: a full disk for external files needs root (a tmpfs of its own)\n');
      return;
    }
    const disk = path.join(root, 'disk');
    await mkdir(disk);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    try {
      const file = path.join(disk, 'hosts');
      expect(await writeIfChanged(file, 'old\n')).toBe(true);
      await expect(writeIfChanged(file, 'x'.repeat(100_000))).rejects.toMatchObject({ code: 'ENOSPC' });
      expect(await readFile(file, 'utf8')).toBe('old\n');
      expect(await readdir(disk)).toEqual(['hosts']);
    } finally {
      await run('umount', [disk]);
    }
  });

  it('is not written when it is right, and a directory that is not there is said', async () => {
    const file = path.join(root, 'hosts');
    await writeIfChanged(file, 'a\n');
    const before = await lstat(file);
    expect(await writeIfChanged(file, 'a\n')).toBe(false);
    expect((await lstat(file)).ino).toBe(before.ino);
    await expect(writeIfChanged(path.join(root, 'none', 'hosts'), 'a')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
