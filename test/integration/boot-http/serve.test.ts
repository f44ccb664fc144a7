/** Boot HTTP on a real socket with a real database: who gets a token, what is served, what leads nowhere. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { symlink, writeFile } from 'node:fs/promises';
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:net';
import path from 'node:path';
import { ensureIdentity } from '../../../src/boot-http/authority.js';
import { createBootHandler } from '../../../src/boot-http/serve.js';
import { disarmInstall, markWiping } from '../../../src/bootenvs/installs.js';
import { openDb, withTransaction } from '../../../src/db/client.js';
import { findToken } from '../../../src/nodes/tokens.js';
import { waitFor } from '../../support/wait-for.js';
import { createLogger } from '../../../src/shared/logger.js';
import { bootTokenOf, scriptPath, startBootFixture, type BootFixture } from '../bootenvs/boot-fixture.js';

let fixture: BootFixture;
let count = 0;
const nextMachine = (bootenv?: string) => fixture.machine((count += 1), bootenv);
beforeAll(async () => {
  fixture = await startBootFixture();
  await writeFile(path.join(fixture.home, 'secret'), 'secret');
  await symlink(path.join(fixture.home, 'secret'), path.join(fixture.home, 'images', 'debian-12', 'link'));
});
afterAll(() => fixture.close());
beforeEach(() => {
  fixture.events.length = 0;
});

describe('scripts', () => {
  it('discovers an unknown MAC, with a token, when the address is leased to it', async () => {
    const { mac, address } = await nextMachine();
    await fixture.db.pool.query('DELETE FROM nics WHERE mac = $1', [mac]);
    const { status, text, headers } = await fixture.ask(address, scriptPath(mac));
    expect(status).toBe(200);
    expect(text).toContain('prybar.class=discovery');
    expect(text).toContain(`BOOTIF=01-${mac.replaceAll(':', '-')}`);
    expect(headers['content-length']).toBe(String(Buffer.byteLength(text)));
    expect(await findToken(fixture.db, bootTokenOf(text), 'boot')).toMatchObject({ mac, address, nodeId: null });
    expect(fixture.events).toMatchObject([{ kind: 'http-script', mac, phase: 'script' }]);
  });

  it('netboot rule 19: gives no token to an address that is not leased to the MAC', async () => {
    const [one, two] = [await nextMachine(), await nextMachine()];
    await fixture.arm(one);
    const { text } = await fixture.ask(two.address, scriptPath(one.mac));
    expect(bootTokenOf(text)).toBe('');
    expect(text).toContain('is not leased to');
    expect(text).toContain('chain --replace');
    expect(text).not.toContain('kernel');
  });

  it('netboot rule 19: gives no token for a lease that has run out', async () => {
    const { mac, address } = await nextMachine();
    await fixture.db.pool.query(`UPDATE leases SET expires_at = clock_timestamp() - interval '1 second' WHERE mac = $1`, [mac]);
    expect(bootTokenOf((await fixture.ask(address, scriptPath(mac))).text)).toBe('');
  });

  it('netboot rule 18: hands out the installer of an armed install, and ends the token of the boot before', async () => {
    const machine = await nextMachine();
    await fixture.arm(machine);
    const first = bootTokenOf((await fixture.ask(machine.address, scriptPath(machine.mac))).text);
    const second = bootTokenOf((await fixture.ask(machine.address, scriptPath(machine.mac))).text);
    expect(await findToken(fixture.db, first, 'boot')).toBeNull();
    expect(await findToken(fixture.db, second, 'boot')).toMatchObject({ nodeId: machine.nodeId, bootenv: 'debian-12' });
  });

  it('netboot rule 18: makes no token for HEAD, and announces the same length', async () => {
    const machine = await nextMachine();
    const before = await fixture.db.prisma.nodeToken.count();
    const head = await fixture.ask(machine.address, scriptPath(machine.mac), { method: 'HEAD' });
    expect(await fixture.db.prisma.nodeToken.count()).toBe(before);
    const get = await fixture.ask(machine.address, scriptPath(machine.mac));
    expect([head.status, head.headers['content-length']]).toEqual([200, get.headers['content-length']]);
  });

  it('netboot rule 22: parks a machine that boots from the network after its disk was claimed, with one alarm', async () => {
    const machine = await nextMachine();
    const installId = await fixture.arm(machine);
    await markWiping(fixture.db, { installId });
    for (let boots = 0; boots < 3; boots += 1) {
      expect((await fixture.ask(machine.address, scriptPath(machine.mac))).text).toContain('prybar.class=maintenance');
    }
    expect(await fixture.db.prisma.outboxEvent.count({ where: { kind: 'alarm', subjectId: machine.nodeId } })).toBe(1);
  });

  it('netboot rule 22: offers the installer three times, then parks', async () => {
    const machine = await nextMachine();
    await fixture.arm(machine);
    const classes: string[] = [];
    for (let boots = 0; boots < 4; boots += 1) {
      const { text } = await fixture.ask(machine.address, scriptPath(machine.mac));
      classes.push(/prybar\.class=(\w+)/.exec(text)?.[1] ?? '');
      await fixture.ask(machine.address, `/boot/answers/${bootTokenOf(text)}/preseed.cfg`);
    }
    expect(classes).toEqual(['installer', 'installer', 'installer', 'maintenance']);
  });

  it('answers machines that ask together each with its own, and with what was committed before it asked', async () => {
    const machines = await Promise.all(Array.from({ length: 12 }, () => nextMachine()));
    const bootsOf = async ({ nodeId, mac, address }: (typeof machines)[number]) => {
      const seen: string[] = [];
      for (const bootenv of ['local', 'maintenance', 'local', 'discovery']) {
        await fixture.db.pool.query('UPDATE nodes SET bootenv = $2 WHERE id = $1', [nodeId, bootenv]);
        const { text } = await fixture.ask(address, scriptPath(mac));
        const { rows } = await fixture.db.pool.query<{ name: string }>('SELECT name FROM nodes WHERE id = $1', [nodeId]);
        expect(text).toContain(`${rows[0]?.name} `);
        seen.push(text.includes('sanboot') ? 'local' : (/prybar\.class=(\w+)/.exec(text)?.[1] ?? ''));
        if (!seen.at(-1)?.startsWith('local')) expect(await findToken(fixture.db, bootTokenOf(text), 'boot')).toMatchObject({ nodeId, mac, address });
      }
      return seen;
    };
    for (const seen of await Promise.all(machines.map(bootsOf))) expect(seen).toEqual(['local', 'maintenance', 'local', 'discovery']);
  });

  it('netboot rule 18: leaves one token alive of a machine that asks several times at once', async () => {
    const { mac, address } = await nextMachine();
    const scripts = await Promise.all(Array.from({ length: 6 }, () => fixture.ask(address, scriptPath(mac))));
    const found = await Promise.all(scripts.map(({ text }) => findToken(fixture.db, bootTokenOf(text), 'boot')));
    expect(found.filter((token) => token !== null)).toHaveLength(1);
  });

  it('boots the disk of a node that is to boot it', async () => {
    const machine = await nextMachine('local');
    expect((await fixture.ask(machine.address, scriptPath(machine.mac))).text).toContain('sanboot --no-describe --drive 0x80');
  });

  it('rule 6: answers 503, never an installer, when the database cannot be read', async () => {
    const db = openDb({ url: 'postgresql://nobody@127.0.0.1:1/none', applicationName: 'away', poolSize: 1 });
    const away = createBootHandler({
      db,
      home: fixture.home,
      log: createLogger('away', 'silent'),
      baseUrl: fixture.baseUrl,
      registry: () => fixture.registry,
      bootTokenSeconds: 1,
      installTokenSeconds: 1,
      macOf: async () => null,
    });
    const kept = fixture.handler;
    fixture.handler = away;
    const answer = await fixture.ask('127.0.0.1', '/boot/ipxe/52-54-00-00-00-01');
    fixture.handler = kept;
    await db.close();
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBeDefined();
    expect(answer.text).not.toContain('kernel');
  });
});

describe('answers', () => {
  async function armed() {
    const machine = await nextMachine();
    await fixture.arm(machine);
    const token = bootTokenOf((await fixture.ask(machine.address, scriptPath(machine.mac))).text);
    return { ...machine, url: `/boot/answers/${token}/preseed.cfg` };
  }

  it('are given to the machine', async () => {
    const { address, url, nodeId, mac } = await armed();
    const { status, text, headers } = await fixture.ask(address, url);
    expect(status).toBe(200);
    expect(text).toContain(`${fixture.baseUrl}/node/${nodeId}/bootenv-local`);
    expect(headers['cache-control']).toBe('no-store');
    expect(fixture.events.at(-1)).toMatchObject({ kind: 'http-answers', mac });
  });

  it('attacks 15 and 17: are one uniform 404 for anybody else', async () => {
    const { address, url } = await armed();
    const uniform = await fixture.ask(address, `/boot/answers/${'x'.repeat(43)}/preseed.cfg`);
    expect(uniform.status).toBe(404);
    for (const [from, path_] of [
      ['127.0.1.250', url],
      [address, url.replace('preseed.cfg', 'ks.cfg')],
      [address, '/boot/answers/1/preseed.cfg'],
      [address, '/boot/answers/%00/preseed.cfg'],
    ] as const) {
      const answer = await fixture.ask(from, path_);
      expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([404, uniform.text, uniform.headers['content-type']]);
    }
    expect(await fixture.db.prisma.outboxEvent.count({ where: { kind: 'token-refused' } })).toBeGreaterThan(0);
  });

  it('change nothing for HEAD', async () => {
    const { address, url, nodeId } = await armed();
    const head = await fixture.ask(address, url, { method: 'HEAD' });
    expect((await fixture.db.prisma.install.findFirstOrThrow({ where: { nodeId } })).status).toBe('armed');
    const get = await fixture.ask(address, url);
    expect([head.status, head.headers['content-length']]).toEqual([200, get.headers['content-length']]);
  });

  it('are gone when the install was cancelled', async () => {
    const { address, url, nodeId } = await armed();
    await withTransaction(fixture.db.pool, (tx) => disarmInstall(tx, nodeId, 'cancelled'));
    expect((await fixture.ask(address, url)).status).toBe(404);
  });
});

describe('files', () => {
  const KERNEL = '/boot/files/debian-12/linux';

  it('netboot rule 12: are sent whole, with their length, never compressed or chunked', async () => {
    const { address, mac } = await nextMachine();
    const answer = await fixture.ask(address, KERNEL, { headers: { 'Accept-Encoding': 'gzip, br' } });
    expect([answer.status, answer.body.length, answer.headers['content-length']]).toEqual([200, 256 * 1024, String(256 * 1024)]);
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.headers['transfer-encoding']).toBeUndefined();
    // The step is told when the file is out, which the client may know first.
    await waitFor(() => fixture.events.length > 0, { what: 'the step to be told' });
    expect(fixture.events).toMatchObject([{ kind: 'http-kernel', mac, phase: 'kernel' }]);
  });

  it('answer HEAD, ranges and If-None-Match', async () => {
    const head = await fixture.ask('127.0.0.1', KERNEL, { method: 'HEAD' });
    expect([head.status, head.body.length, head.headers['content-length']]).toEqual([200, 0, String(256 * 1024)]);
    const part = await fixture.ask('127.0.0.1', KERNEL, { headers: { Range: 'bytes=10-19' } });
    expect([part.status, part.body.length, part.headers['content-range']]).toEqual([206, 10, `bytes 10-19/${256 * 1024}`]);
    expect((await fixture.ask('127.0.0.1', KERNEL, { headers: { Range: 'bytes=999999999-' } })).status).toBe(416);
    const etag = String(head.headers.etag);
    expect((await fixture.ask('127.0.0.1', KERNEL, { headers: { 'If-None-Match': etag } })).status).toBe(304);
    expect((await fixture.ask('127.0.0.1', KERNEL, { headers: { Range: 'bytes=0-1', 'If-Range': '"other"' } })).status).toBe(200);
  });

  it('carry the type that UEFI HTTP Boot wants', async () => {
    expect((await fixture.ask('127.0.0.1', '/boot/loaders/snponly.efi')).headers['content-type']).toBe('application/efi');
  });

  it('include the certificate of our authority, once there is one', async () => {
    for (const form of ['pem', 'der']) expect((await fixture.ask('127.0.0.1', `/boot/ca.${form}`)).status).toBe(404);
    const { ca } = await ensureIdentity(fixture.home, ['127.0.0.1'], new Date());
    expect((await fixture.ask('127.0.0.1', '/boot/ca.pem')).text).toBe(ca);
    const der = await fixture.ask('127.0.0.1', '/boot/ca.der');
    expect([der.headers['content-type'], new X509Certificate(der.body).ca]).toEqual(['application/pkix-cert', true]);
    for (const url of ['/boot/ca.key', '/boot/ca.pem/x', '/boot/loaders/../tls/ca.key', '/boot/files/../tls/ca.key'])
      expect((await fixture.ask('127.0.0.1', url)).status).toBe(404);
  });

  it('include the agent that installers fetch', async () => {
    for (const name of ['prybar-agent', 'prybar-agent.service']) expect((await fixture.ask('127.0.0.1', `/boot/agent/${name}`)).status).toBe(200);
  });

  it.each([
    '/boot/files/debian-12/../../secret',
    '/boot/files/../secret',
    '/boot/files/debian-12/..%2f..%2fsecret',
    '/boot/files/debian-12/%2e%2e/%2e%2e/secret',
    '/boot/files/debian-12/%252e%252e/secret',
    '/boot/files/debian-12/..\\..\\secret',
    '/boot/files/debian-12/linux%00.efi',
    '/boot/files/debian-12/link',
    '/boot/files/debian-12/LINUX',
    '/boot/files/debian-12/',
    '/boot/files/debian-12',
    '/boot/files/nothing/linux',
    '/boot/files/%2e%2e/secret',
    '/boot/files/__proto__/linux',
    '/boot/loaders/../secret',
    '/boot/loaders/%2fetc%2fpasswd',
    '/boot/loaders//etc/passwd',
    '/boot/agent/../bootenv.ts',
  ])('attack 1: under %s are not found', async (url) => {
    const { status, text } = await fixture.ask('127.0.0.1', url);
    expect([status, text]).toEqual([404, 'not found\n']);
  });

  it('cannot be written', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await fixture.ask('127.0.0.1', KERNEL, { method });
      expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
    }
  });

  it('leaves what is not under /boot to others', async () => {
    expect((await fixture.ask('127.0.0.1', '/node/facts')).status).toBe(418);
  });

  it('survive a machine whose power goes in the middle', async () => {
    const port = Number(new URL(fixture.baseUrl).port);
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve) => {
      socket.write('GET /boot/files/debian-12/initrd.gz HTTP/1.1\r\nHost: x\r\n\r\n');
      socket.once('data', () => {
        socket.destroy();
        resolve();
      });
    });
    expect((await fixture.ask('127.0.0.1', '/boot/files/debian-12/initrd.gz')).body.length).toBe(1024 * 1024);
  });
});
