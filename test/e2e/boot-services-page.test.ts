/**
 * Live transfers and the servers of the site on the page, in Debian's chromium: empty, full, and when the server does not answer;
 * what a machine asks for stays text (attack 7). Left out, and said so, where there is no chromium or the page is not built.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chromium, type Browser, type Page } from 'playwright-core';
import { findPackageRoot } from '../../src/db/package-root.js';
import { startApi, type ApiFixture } from '../integration/api/api-fixture.js';
import { startTestServers, type TestServers } from '../support/test-servers.js';

const executablePath = process.env['PRYBAR_CHROMIUM'] ?? '/usr/bin/chromium';
const webDirectory = path.join(findPackageRoot(), 'dist', 'web');
const EVIL = '"><img src=x onerror="window.pwned=1">{{7*7}}';

const missing = [executablePath, path.join(webDirectory, 'index.html')].filter((file) => !existsSync(file));
if (missing.length > 0)
  process.stderr.write(`left out: the page of boot services in a browser (missing: ${missing.join(', ')}; apt-get install chromium, npm run build)\n`);

describe('the page of boot services', () => {
  let servers: TestServers;
  let api: ApiFixture;
  let browser: Browser;

  beforeAll(async () => {
    if (missing.length > 0) return;
    servers = await startTestServers();
    api = await startApi({ webDirectory });
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'] });
  }, 120_000);

  afterAll(async () => {
    if (missing.length > 0) return;
    await browser.close();
    await api.close();
    await servers.stop();
  });

  async function open(scheme: 'light' | 'dark' = 'light'): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: scheme });
    await page.addInitScript((token) => sessionStorage.setItem('prybar.token', token), api.tokens.viewer);
    await page.goto(`${api.baseUrl}/#/boot`);
    return page;
  }

  async function picture(page: Page, name: string): Promise<void> {
    const folder = process.env['PRYBAR_PICTURES'];
    if (folder !== undefined) await page.screenshot({ path: path.join(folder, `${name}.png`) });
  }

  const check = (what: string, body: () => Promise<void>) => it(what, async () => (missing.length > 0 ? undefined : body()), 60_000);

  check('says what to do while nothing is fetched and no server of the site is driven', async () => {
    const page = await open();
    await page.getByText('No machine fetched a file within the last hour').waitFor({ timeout: 30_000 });
    await page.getByText('Prybar drives no server of the site').waitFor();
    await picture(page, 'boot-empty');
    await page.close();
  });

  check('shows transfers as they go on, and why each server of the site serves or does not', async () => {
    const transfer = `INSERT INTO boot_transfers (server, local_id, protocol, address, file, size_bytes, bytes, bytes_per_second, retransmits, state, reason, started_at, updated_at, ended_at)
      VALUES ('s', $1, $2, '10.0.0.9', $3, 70000, $4, 14000, $5, $6, $7, clock_timestamp() - interval '3 s', clock_timestamp(), CASE WHEN $6 = 'running' THEN NULL ELSE clock_timestamp() END)`;
    await api.db.pool.query(transfer, [1, 'tftp', 'undionly.kpxe', 28_000, 0, 'running', '']);
    await api.db.pool.query(transfer, [2, 'tftp', EVIL, 512, 6, 'timeout', 'no answer to block 2']);
    await api.db.pool.query(transfer, [3, 'http', 'debian-12/linux', 70_000, 0, 'done', '']);
    await api.db.pool.query(`UPDATE dhcp_table SET revision = 7`);
    const server = `INSERT INTO external_servers (name, kind, host, network_names, networks, driver, driven_until, served_revision, problem, problem_since, hosts, writes, served_at)
      VALUES ($1, $2, 'head', '{rack}', '{1}', gen_random_uuid(), clock_timestamp() + $3::interval, $4, $5, CASE WHEN $5::text IS NULL THEN NULL ELSE clock_timestamp() - interval '5 minutes' END, 12, 3, clock_timestamp() - interval '1 minute')`;
    await api.db.pool.query(server, ['lab', 'dnsmasq', '1 hour', 7, null]);
    await api.db.pool.query(server, ['moc', 'pxelinux', '1 hour', 6, '/srv/tftp/rocky-9/pxelinux.cfg does not exist: bootenv rocky-9 needs it']);
    await api.db.pool.query(server, ['old', 'isc-dhcpd', '-1 hour', 5, null]);
    const page = await open();
    const rows = page.locator('.plain-table tbody tr');
    await rows.first().waitFor({ timeout: 30_000 });
    const texts = await rows.allInnerTexts();
    expect(texts).toHaveLength(3);
    expect(texts.join('\n')).toContain('28 kB of 70 kB');
    expect(texts.join('\n')).toContain('the machine fell silent: no answer to block 2');
    expect(texts.join('\n')).toContain(EVIL);
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    const cards = (await page.locator('.site-server').allInnerTexts()).join('\n');
    for (const words of ['served', 'bootenv rocky-9 needs it', 'no Prybar on head looks after it', 'last change served 1 min ago'])
      expect(cards).toContain(words);
    await picture(page, 'boot-light');
    // It goes on by itself.
    await api.db.pool.query(`UPDATE boot_transfers SET bytes = 70000, state = 'done', ended_at = clock_timestamp() WHERE local_id = 1`);
    await page.locator('tr', { hasText: 'undionly.kpxe' }).getByText('done').waitFor({ timeout: 10_000 });
    await page.getByLabel('running only').check();
    await page.getByText('No transfer passes the filter').waitFor();
    await page.close();
    const dark = await open('dark');
    await dark.locator('.site-server').first().waitFor();
    await picture(dark, 'boot-dark');
    await dark.close();
  });

  check('says that the server does not answer, and keeps what it has', async () => {
    const page = await open();
    await page.locator('.site-server').first().waitFor({ timeout: 30_000 });
    await page.route('**/api/v2/boot/transfers**', (route) => route.abort());
    await page.locator('.transfers').getByRole('alert').waitFor({ timeout: 10_000 });
    expect(await page.locator('.transfers').getByRole('alert').innerText()).toBe('The server does not answer. What is shown is from before.');
    expect(await page.locator('.plain-table tbody tr').count()).toBeGreaterThan(0);
    await picture(page, 'boot-away');
    await page.close();
  });
});
