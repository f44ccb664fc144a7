/** TFTP and DHCP over a cable that loses, doubles and reorders frames in both directions. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { addBadlyConnected, GOOD, type BadLink } from './support/bad-link.js';
import { startDhcpClient, type ClientName } from './support/dhcp-clients.js';
import { whyNoTap } from './support/emulator.js';
import { addLoader, addNetwork, leasesOf, type Site } from './support/service.js';
import { openLan, SERVER, type Lan } from './support/lan.js';
import { fetchBy, TFTP_CLIENTS, type TftpClient } from './support/tftp-clients.js';
import type { World } from './support/world.js';

const BAD = { loss: 0.03, duplicate: 0.03, reorder: 0.05 };
/** Of the few packets of a lease every fourth is lost, or half would never see it. */
const WORSE = { loss: 0.25, duplicate: 0.25, reorder: 0.1 };

let lan: Lan | undefined;
let world: World | undefined;
let site: Site;
let folder: string;
let loader: Buffer;
let link: BadLink | undefined;
let machines = 0;

beforeAll(async () => {
  lan = await openLan(
    'TFTP and DHCP over a bad network',
    async ({ site }) => {
      folder = mkdtempSync(path.join(tmpdir(), 'prybar-bad-network-'));
      loader = addLoader(site.home, 'loader', 173_791);
      await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', pool: ['10.77.0.100', '10.77.0.199'] });
    },
    { unless: whyNoTap },
  );
  if (lan === undefined) return;
  ({ world, site } = lan);
}, 120_000);

afterAll(async () => {
  await lan?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  if (world === undefined) return;
  machines += 1;
  const mac = `52:54:00:ab:99:0${machines.toString(16)}`;
  link = await addBadlyConnected(world, `bad${machines}`, 'lan', { mac, address: `10.77.0.${50 + machines}/24`, seed: machines });
});

afterEach(async () => {
  await link?.remove();
  link = undefined;
});

/** atftp aborts when the cable doubles the OACK ("unexpected OACK"), whatever a server does: it is started again, as a script would. */
async function fetchPatiently(name: TftpClient, ns: string, tries = 4): Promise<Buffer> {
  try {
    return await fetchBy(name, ns, SERVER, 'loader', folder, 120_000);
  } catch (error) {
    if (tries <= 1 || !String(error).includes('unexpected OACK')) throw error;
    return fetchPatiently(name, ns, tries - 1);
  }
}

describe('TFTP', () => {
  it.each(TFTP_CLIENTS)('%s gets every byte', async (name) => {
    if (link === undefined) return;
    link.set(BAD);
    const bytes = await fetchPatiently(name, link.port.ns);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(createHash('sha256').update(loader).digest('hex'));
    const { lost, doubled, reordered } = await link.remove();
    link = undefined;
    expect(Math.min(lost, doubled, reordered)).toBeGreaterThan(0);
  });
});

describe('DHCP', () => {
  it.each(['udhcpc', 'dhclient', 'dhcpcd'] satisfies ClientName[])('%s gets one address, which is the one in the table', async (name) => {
    if (link === undefined) return;
    link.set(WORSE);
    const client = await startDhcpClient(name, link.port);
    try {
      const address = (await client.told('bound', 120_000)).get('ip');
      expect(await leasesOf(site.pool, link.port.mac)).toEqual([{ address, mac: link.port.mac, state: 'active' }]);
    } finally {
      link.set(GOOD);
      await client.stop();
    }
  });
});
