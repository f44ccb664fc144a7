/** Files that are rendered for whoever asks: GRUB's and PXELINUX's, and the loader of the disk, over a real socket. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createBootHandler } from '../../../src/boot-http/serve.js';
import { findToken } from '../../../src/nodes/tokens.js';
import { createLogger } from '../../../src/shared/logger.js';
import { startBootFixture, type BootFixture, type Machine } from '../bootenvs/boot-fixture.js';

let fixture: BootFixture;
let machine: Machine;
beforeAll(async () => {
  fixture = await startBootFixture();
  machine = await fixture.machine(1);
});
afterAll(() => fixture.close());

const dashed = () => machine.mac.replaceAll(':', '-');
const tokenIn = (text: string) => /prybar\.token=([A-Za-z0-9_-]{43})\b/.exec(text)?.[1] ?? '';

describe('rendered files', () => {
  it.each([
    ['GRUB', () => `/grub/grub.cfg-01-${machine.mac}`, '/boot/files/discovery /boot/files/discovery; do'],
    ['GRUB below /boot', () => `/boot/grub/grub.cfg-01-${dashed()}`, '/boot/files/discovery /boot/files/discovery; do'],
    ['PXELINUX', () => `/boot/pxelinux.cfg/01-${dashed()}`, 'KERNEL ::boot/files/discovery/linux'],
  ])('gives %s the machine its kernel, with a token of this boot', async (_loader, url, kernel) => {
    const answer = await fixture.ask(machine.address, url());
    expect(answer.status).toBe(200);
    expect(answer.text).toContain(kernel);
    expect(await findToken(fixture.db, tokenIn(answer.text), 'boot')).toMatchObject({ nodeId: machine.nodeId, address: machine.address });
  });

  it('netboot rule 19: gives another address a script without a token', async () => {
    for (const url of [`/grub/grub.cfg-01-${dashed()}`, `/boot/pxelinux.cfg/01-${dashed()}`]) {
      const answer = await fixture.ask('127.0.9.9', url);
      expect(answer.text).toContain('is not leased to');
      expect(answer.text).not.toContain('prybar.token');
    }
  });

  it('netboot rule 18: HEAD renders the length alone and mints nothing', async () => {
    const before = await fixture.db.prisma.nodeToken.count();
    const answer = await fixture.ask(machine.address, `/grub/grub.cfg-01-${dashed()}`, { method: 'HEAD' });
    expect(Number(answer.headers['content-length'])).toBeGreaterThan(200);
    expect(answer.body).toHaveLength(0);
    expect(await fixture.db.prisma.nodeToken.count()).toBe(before);
  });

  it('tells GRUB and PXELINUX where to go on, and iPXE its script', async () => {
    expect((await fixture.ask(machine.address, '/grub/grub.cfg')).text).toContain('configfile $prefix/grub.cfg-01-$net_default_mac');
    expect((await fixture.ask(machine.address, '/boot/pxelinux.cfg/default')).text).toContain('LOCALBOOT 0');
    expect((await fixture.ask(machine.address, '/autoexec.ipxe')).text).toContain(`/boot/ipxe/${dashed()} `);
    expect((await fixture.ask('127.0.9.9', '/autoexec.ipxe')).text).toContain('${netX/mac:hexhyp}');
  });

  it.each(['/grub/../etc/passwd', '/grub/%2e%2e%2fgrub.cfg', '/boot/pxelinux.cfg/..%2f..%2fetc', '/grub/grub.cfg-01-zz', '/boot/grub/x86_64-efi/command.lst'])(
    'attack 25: has nothing at %s',
    async (url) => {
      const answer = await fixture.ask(machine.address, url);
      expect([404, 418]).toContain(answer.status);
      expect(answer.text).not.toContain('root:');
    },
  );
});

describe('several interfaces', () => {
  it('netboot rule 1: the URLs of a script are at the address the machine reached', async () => {
    const deps = { db: fixture.db, home: fixture.home, log: createLogger('test', 'silent'), baseUrl: fixture.baseUrl, registry: () => fixture.registry };
    const baseUrlAt = (localAddress: string) => `http://${localAddress}:8191`;
    const handler = createBootHandler({ ...deps, baseUrlAt, bootTokenSeconds: 60, installTokenSeconds: 60, macOf: async () => null });
    const server = createServer((req, res) => void handler(req, res)).listen(0, '0.0.0.0');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const text = await (await fetch(`http://127.0.0.7:${port}/boot/grub/grub.cfg-01-${dashed()}`)).text();
    expect(text).toContain('is not leased to');
    const script = await (await fetch(`http://127.0.0.7:${port}/boot/ipxe/${dashed()}`)).text();
    expect(script).toContain('chain --replace http://127.0.0.7:8191/boot/ipxe/');
    server.closeAllConnections();
    server.close();
  });
});

describe('local.efi', () => {
  const url = () => `/boot/local/${dashed()}/local.efi`;

  it('is not there before the set-up has made it', async () => {
    expect((await fixture.ask(machine.address, url())).status).toBe(404);
  });

  it('netboot rule 15: has the report of the machine in it, for the machine alone', async () => {
    const script = await readFile(path.join(process.cwd(), 'src', 'bootenvs', 'local-disk.cfg'));
    await writeFile(path.join(fixture.home, 'loaders', 'local.efi'), script);
    const installId = await fixture.arm(machine);
    await fixture.db.pool.query(
      `UPDATE installs SET spec = spec || '{"report": {"loader_path": "/EFI/debian/shimx64.efi", "esp_uuid": "ABCD-0123"}}' WHERE id = $1`,
      [installId],
    );
    const own = await fixture.ask(machine.address, url());
    expect([own.status, own.headers['content-type'], own.body.length]).toEqual([200, 'application/efi', script.length]);
    expect(own.text).toContain("set reported_uuid='ABCD-0123 ");
    expect((await fixture.ask('127.0.9.9', url())).text).toContain("set reported_uuid='@ESP-UUID@");
  });
});
