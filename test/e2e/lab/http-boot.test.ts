/** UEFI HTTP Boot: OVMF fetches its loader by HTTP, and by HTTPS under our own authority. Neither TFTP nor PXE has a part in it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import path from 'node:path';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { ensureIdentity, readAuthority } from '../../../src/boot-http/authority.js';
import { withTransaction } from '../../../src/db/client.js';
import { rewriteEntries } from '../../../src/roles/builtin/dhcp-database.js';
import { waitFor } from '../../support/wait-for.js';
import { powerOn, whyNoEmulator, type EmulatedMachine } from './support/emulator.js';
import { addDiscoveryImage } from './support/images.js';
import { openLan, SERVER, type Lan } from './support/lan.js';
import { addNetwork, copyLoader } from './support/service.js';
import { BOOT_MS, inOrder, timelineOf, waitForBoot } from './support/timeline.js';

const HTTPS_PORT = 8443;
const HTTPS_URL = `https://${SERVER}:${HTTPS_PORT}/boot/loaders/snponly.efi`;

let lan: Lan | undefined;
let machine: EmulatedMachine | undefined;

beforeAll(async () => {
  lan = await openLan(
    'UEFI HTTP Boot',
    async ({ site }) => {
      await addDiscoveryImage(site.home);
      await ensureTools(['ipxe']);
      copyLoader(site.home, 'snponly.efi');
      await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24', pool: ['10.77.0.100', '10.77.0.199'] });
    },
    { unless: () => whyNoEmulator('uefi'), service: { env: { PRYBAR_BOOT_HTTPS_PORT: String(HTTPS_PORT) } } },
  );
}, 400_000);

afterEach(async () => {
  await machine?.powerOff();
  machine = undefined;
});

afterAll(async () => {
  await lan?.close();
});

const STEPS = ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-ack', 'http-loader', 'http-script', 'http-kernel', 'facts'];

async function boot({ site, world }: Lan, mac: string, trusted: readonly Buffer[]): Promise<void> {
  machine = await powerOn(world, { firmware: 'uefi', mac, segment: 'lan', httpBoot: { trusted } });
  await waitForBoot({ site, machine, mac }, 'the agent to post its facts', async () => inOrder(await timelineOf(site, mac), STEPS));
  expect((await timelineOf(site, mac)).filter((step) => step.kind.startsWith('tftp'))).toEqual([]);
}

/** The machine's own option 67, as an operator sets it. */
async function offerHttps({ site }: Lan, mac: string): Promise<void> {
  const { rows } = await site.pool.query<{ id: number }>(
    `INSERT INTO nodes (name, deployment_id, bootenv, dhcp_options) SELECT $1, id, 'discovery', $2 FROM deployments WHERE system RETURNING id`,
    [`https-${mac.slice(-2)}.lab.example`, { 'bootfile-name': HTTPS_URL }],
  );
  const nodeId = rows[0]?.id ?? 0;
  await site.pool.query('INSERT INTO nics (node_id, mac, boot) VALUES ($1, $2, true)', [nodeId, mac]);
  const revision = await withTransaction(site.pool, (tx) => rewriteEntries(tx, [nodeId]));
  const isServed = async () => (await site.pool.query(`SELECT 1 FROM boot_servers WHERE kind = 'dhcp' AND served_revision >= $1`, [revision])).rowCount;
  await waitFor(isServed, { what: 'the option to be served', timeoutMs: 30_000 });
}

describe('netboot rule 12: UEFI HTTP Boot', () => {
  it(
    'OVMF takes its loader by HTTP and comes to the served kernel',
    async () => {
      if (lan !== undefined) await boot(lan, '52:54:00:77:07:01', []);
    },
    BOOT_MS + 30_000,
  );

  it(
    'by HTTPS, trusting our own authority',
    async () => {
      if (lan === undefined) return;
      const mac = '52:54:00:77:07:02';
      await offerHttps(lan, mac);
      const authority = await readAuthority(lan.site.home);
      if (authority === undefined) throw new Error('the service made no authority');
      await boot(lan, mac, [authority.raw]);
      expect((await timelineOf(lan.site, mac)).find((step) => step.kind === 'dhcp-offer')?.text).toContain(HTTPS_URL);
    },
    BOOT_MS + 30_000,
  );

  it(
    'by HTTPS, trusting another of the same name: nothing is fetched, and the timeline says so',
    async () => {
      if (lan === undefined) return;
      const { site, world } = lan;
      const mac = '52:54:00:77:07:03';
      await offerHttps(lan, mac);
      const elsewhere = path.join(site.home, 'elsewhere');
      await ensureIdentity(elsewhere, [SERVER], new Date());
      const stranger = await readAuthority(elsewhere);
      if (stranger === undefined) throw new Error('there is no other authority');
      machine = await powerOn(world, { firmware: 'uefi', mac, segment: 'lan', httpBoot: { trusted: [stranger.raw] } });
      const failed = await waitForBoot({ site, machine, mac }, 'the handshake to fail', async () =>
        (await timelineOf(site, mac)).find((step) => /http|tls/.test(step.kind)),
      );
      expect(failed).toMatchObject({ kind: 'tls-failed' });
    },
    BOOT_MS + 30_000,
  );
});
