/**
 * The present boot on the page, in Debian's chromium: what a machine says stays text (attack 7), and a node that was never heard
 * has an empty state. Left out, and said so, where there is no chromium or the page is not built.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chromium, type Browser, type Page } from 'playwright-core';
import { findPackageRoot } from '../../src/db/package-root.js';
import { recordPhases } from '../../src/nodes/phase.js';
import { createNode } from '../../src/nodes/store.js';
import { startApi, type ApiFixture } from '../integration/api/api-fixture.js';
import { startTestServers, type TestServers } from '../support/test-servers.js';

const executablePath = process.env['PRYBAR_CHROMIUM'] ?? '/usr/bin/chromium';
const webDirectory = path.join(findPackageRoot(), 'dist', 'web');
const MAC = '52:54:00:00:00:01';
const EVIL = '</script><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\u001b[31m {{7*7}} javascript:alert(1)';

const missing = [executablePath, path.join(webDirectory, 'index.html')].filter((file) => !existsSync(file));
if (missing.length > 0)
  process.stderr.write(`left out: the boot page in a browser (missing: ${missing.join(', ')}; apt-get install chromium, npm run build)\n`);

describe('the present boot on the page', () => {
  let servers: TestServers;
  let api: ApiFixture;
  let browser: Browser;
  let heard: number;
  let silent: number;

  beforeAll(async () => {
    if (missing.length > 0) return;
    servers = await startTestServers();
    api = await startApi({ webDirectory });
    ({ nodeId: heard } = await createNode(api.db, { name: 'n1', macs: [MAC] }));
    ({ nodeId: silent } = await createNode(api.db, { name: 'n2', macs: ['52:54:00:00:00:02'] }));
    const begin = Date.now() - 200_000;
    const step = (kind: string, seconds: number, detail: string, data: Record<string, unknown> = {}) => ({
      mac: MAC,
      kind,
      phase: null,
      detail,
      at: new Date(begin + seconds * 1000),
      data,
    });
    const pxe = { stage: 'pxe', arch: 0, network: 'rack' };
    const exchange = (at: number) => [
      step('dhcp-discover', at, 'pxe, x86 BIOS', pxe),
      step('dhcp-offer', at, '10.0.0.9, undionly.kpxe', { ...pxe, boot_file: 'undionly.kpxe' }),
    ];
    await recordPhases(api.db, [
      step('power-cycle', 0, 'next boot: pxe'),
      ...[35, 39, 47].flatMap(exchange),
      step('dhcp-request', 48, EVIL, pxe),
      step('dhcp-ack', 48, '10.0.0.9, undionly.kpxe', { ...pxe, boot_file: 'undionly.kpxe' }),
      step('tftp-start', 49, 'undionly.kpxe: 70000 bytes, blocks of 1432, window 4'),
      step('tftp-progress', 52, 'undionly.kpxe 40 %'),
      step('tftp-failed', 81, `${EVIL} after 28640 bytes`, {
        file: EVIL,
        size: 70_000,
        block_bytes: 1432,
        bytes: 28_640,
        silent: true,
        answered: true,
        retransmits: 5,
      }),
    ]);
    await api.db.pool.query(
      `INSERT INTO boot_servers (id, kind, host, networks, status, served_revision, lease_until, started_at)
       VALUES (gen_random_uuid(), 'dhcp', 'boot1', '{}', 'serving', 0, clock_timestamp() + interval '1 hour', clock_timestamp())`,
    );
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'] });
  }, 120_000);

  afterAll(async () => {
    if (missing.length > 0) return;
    await browser.close();
    await api.close();
    await servers.stop();
  });

  async function open(node: number, scheme: 'light' | 'dark' = 'light'): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1100 }, colorScheme: scheme });
    await page.addInitScript((token) => sessionStorage.setItem('prybar.token', token), api.tokens.viewer);
    await page.goto(`${api.baseUrl}/#/fleet?node=${node}`);
    return page;
  }

  const check = (what: string, body: () => Promise<void>) => it(what, async () => (missing.length > 0 ? undefined : body()), 60_000);

  check('attack 7: what a machine says is text on the page, and nothing of it runs', async () => {
    const page = await open(heard);
    await page.waitForSelector('.boot-step', { timeout: 30_000 });
    const text = await page.locator('.boot-steps').innerText();
    expect(text).toContain('</script><img src=x');
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(await page.locator('.boot-steps img, .boot-steps script, .doctor img').count()).toBe(0);
    if (process.env['PRYBAR_PICTURE'] !== undefined) await page.screenshot({ path: process.env['PRYBAR_PICTURE'], fullPage: false });
    await page.close();
  });

  check('shows the steps in order, repeats once, and the doctor above them', async () => {
    const page = await open(heard, 'dark');
    await page.waitForSelector('.boot-step');
    const titles = await page.locator('.boot-title').allInnerTexts();
    expect(titles.slice(0, 3)).toEqual(['power cycle', 'DISCOVER seen ×3', 'OFFER sent ×3']);
    expect(await page.locator('.doctor strong').innerText()).toBe('The loader stops half way: packets are lost');
    if (process.env['PRYBAR_PICTURE'] !== undefined) await page.screenshot({ path: process.env['PRYBAR_PICTURE'].replace('.png', '-dark.png') });
    await page.close();
  });

  check('says what to do where nothing was heard', async () => {
    const page = await open(silent);
    await page.getByText('Not one packet of it was seen').waitFor({ timeout: 30_000 });
    await page.close();
  });
});
