/** The process that drives servers of the site, as it is started there, and what the API tells of it. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readlink, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { kill, startProcess } from '../../support/process.js';
import { addSiteNodes, bootInto } from '../../support/site-nodes.js';
import { waitFor } from '../../support/wait-for.js';
import { API, startApi, type ApiFixture } from '../api/api-fixture.js';

let own: ApiFixture;
let home: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  own = await startApi();
  home = await mkdtemp(path.join(tmpdir(), 'prybar-external-'));
  await mkdir(path.join(home, 'pxelinux.cfg'));
  await mkdir(path.join(home, 'debian-12'));
  await writeFile(path.join(home, 'debian-12', 'pxelinux.cfg'), 'default debian\n');
  await own.db.pool.query(`INSERT INTO networks (id, name, subnet, dns, dhcp_mode) VALUES (1, 'lab', '10.9.0.0/24', '{}', 'off')`);
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  await own.close();
  await rm(home, { recursive: true, force: true });
});

const link = path.join('pxelinux.cfg', '01-52-54-00-e4-00-01');
const settings = (networks: string) => `servers: [{ name: moc, kind: pxelinux, networks: [${networks}], directory: ${path.join(home, 'pxelinux.cfg')} }]`;
const list = async (query = '') =>
  (await own.as('viewer').get(`${API}/external-servers${query}`).expect(200)).body as { items: Record<string, unknown>[]; total: number };

async function start(): Promise<ChildProcess> {
  const child = await startProcess('src/bin/external', { PRYBAR_HOME: home, DATABASE_URL: own.db.url, REDIS_URL: '', PRYBAR_LOG_LEVEL: 'silent' });
  children.push(child);
  return child;
}

describe('the process that drives servers of the site', () => {
  it('makes the links, says so through the API, and hands over to another process that is started when it was killed', async () => {
    await writeFile(path.join(home, 'external.yml'), settings('lab'));
    const [node] = await addSiteNodes(own.db, 1, [{ name: 'n1', mac: '52:54:00:e4:00:01', address: '10.9.0.5', bootenv: 'debian-12' }]);
    const first = await start();
    await waitFor(async () => (await list()).items[0]?.['served_revision'] === 1, { what: 'the revision to be served' });
    expect(await readlink(path.join(home, link))).toBe('../debian-12/pxelinux.cfg');
    expect((await list()).items).toEqual([
      expect.objectContaining({
        name: 'moc',
        kind: 'pxelinux',
        host: hostname(),
        networks: ['lab'],
        driven: true,
        revision: 1,
        problem: null,
        hosts: 1,
        writes: 2,
      }),
    ]);
    expect((await list('?problem=true')).total).toBe(0);

    // One beside it registers the server anew and waits; the one that drives proves it again.
    const second = await start();
    await waitFor(async () => (await list()).items[0]?.['served_revision'] === 1, { what: 'the revision to be proven again' });
    await kill(second);
    await kill(first);
    await bootInto(own.db, node ?? 0, 'local');
    // What a crash leaves behind is its lease; here nobody waits the 15 s.
    await own.db.pool.query('UPDATE external_servers SET driven_until = clock_timestamp()');
    await start();
    await waitFor(async () => (await list()).items[0]?.['served_revision'] === 2, { what: 'the other process to drive' });
    await expect(readlink(path.join(home, link))).rejects.toMatchObject({ code: 'ENOENT' });

    await own.as('viewer').delete(`${API}/external-servers/moc`).expect(403);
    await own.as('operator').delete(`${API}/external-servers/moc`).expect(204);
    await own.as('operator').delete(`${API}/external-servers/moc`).expect(404);
    await own.as('operator').delete(`${API}/external-servers/..%2Fx`).expect(400);
  });

  it('does not start with an external.yml that is wrong, and never takes a network that is not there for all of them', async () => {
    await writeFile(path.join(home, 'external.yml'), 'servers: [{ name: moc, kind: pxelinux }]');
    await expect(start()).rejects.toThrow(/ended before it was ready \(2\)/);
    await writeFile(path.join(home, 'external.yml'), settings('elsewhere'));
    await start();
    const { rows } = await own.db.pool.query('SELECT networks FROM external_servers');
    expect(rows).toEqual([{ networks: [0] }]);
  });
});

describe('snippets', () => {
  it('carry the addresses of the installation; an unknown server is refused with those there are', async () => {
    const answer = await own.as('viewer').get(`${API}/dhcp-snippets/isc`).expect(200);
    expect(answer.body).toMatchObject({ server: 'isc', external_yml: null, text: expect.stringContaining('next-server 127.0.0.1;') });
    expect(answer.body.notes).toHaveLength(2);
    const refused = await own.as('viewer').get(`${API}/dhcp-snippets/bind`).expect(400);
    expect(JSON.stringify(refused.body.errors)).toContain('dnsmasq');
  });
});
