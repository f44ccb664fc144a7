/**
 * A rolling change on the page, in Debian's chromium: paused, resumed and aborted there, each after a question. Left out, and said
 * so, where there is no chromium or the page is not built.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chromium, type Browser, type Page } from 'playwright-core';
import { findPackageRoot } from '../../src/db/package-root.js';
import { bindRole } from '../../src/noderoles/bind.js';
import { API, defineRoles, startApi, type ApiFixture } from '../integration/api/api-fixture.js';
import { startTestServers, type TestServers } from '../support/test-servers.js';

const executablePath = process.env['PRYBAR_CHROMIUM'] ?? '/usr/bin/chromium';
const webDirectory = path.join(findPackageRoot(), 'dist', 'web');
const missing = [executablePath, path.join(webDirectory, 'index.html')].filter((file) => !existsSync(file));
if (missing.length > 0)
  process.stderr.write(`left out: a rolling change in a browser (missing: ${missing.join(', ')}; apt-get install chromium, npm run build)\n`);

describe('a rolling change on the page', () => {
  let servers: TestServers;
  let api: ApiFixture;
  let browser: Browser;

  beforeAll(async () => {
    if (missing.length > 0) return;
    servers = await startTestServers();
    api = await startApi({ webDirectory });
    await defineRoles(api.db, { web: [] });
    const call = api.as('operator');
    await call.post(`${API}/deployments`).send({ name: 'shop' }).expect(201);
    const { id: roleId } = await api.db.prisma.role.findUniqueOrThrow({ where: { name: 'web' } });
    const { id: deploymentId } = await api.db.prisma.deployment.findUniqueOrThrow({ where: { name: 'shop' } });
    for (const name of ['n1', 'n2', 'n3']) {
      const { body } = await call.post(`${API}/nodes`).send({ name }).expect(201);
      await bindRole(api.db, { roleId, nodeId: (body as { id: number }).id, deploymentId, actor: 'test' });
    }
    await call.put(`${API}/deployments/shop/rollout`).send({ in_flight: 1 }).expect(200);
    await call.put(`${API}/deployments/shop/commit`).expect(200);
    await api.sequence();
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'] });
  }, 120_000);

  afterAll(async () => {
    if (missing.length > 0) return;
    await browser.close();
    await api.close();
    await servers.stop();
  });

  async function open(token: string): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.addInitScript((value) => sessionStorage.setItem('prybar.token', value), token);
    await page.goto(`${api.baseUrl}/#/deployments/shop`);
    await page.getByText('Rolling change of revision 1').waitFor({ timeout: 30_000 });
    return page;
  }
  const status = (page: Page) => page.locator('.rollout b').innerText();
  const turn = async (page: Page, label: string, answer: string) => {
    await page.locator('.rollout').getByRole('button', { name: label, exact: true }).click();
    await page.locator('.rollout').getByRole('button', { name: answer, exact: true }).click();
  };
  const check = (what: string, body: () => Promise<void>) => it(what, async () => (missing.length > 0 ? undefined : body()), 60_000);

  check('is not turned by who may only look, and the page says so', async () => {
    const page = await open(api.tokens.viewer);
    await turn(page, 'Pause', 'Pause it');
    await page.getByText('This token may look, but not do that.').waitFor();
    expect(await status(page)).toBe('running');
    await page.close();
  });

  check('is paused, resumed and aborted; then there is nothing left to press', async () => {
    const page = await open(api.tokens.operator);
    await turn(page, 'Pause', 'Pause it');
    await page.getByText('by operator').waitFor();
    expect(await status(page)).toBe('paused');
    if (process.env['PRYBAR_PICTURE'] !== undefined) await page.screenshot({ path: process.env['PRYBAR_PICTURE'] });
    await turn(page, 'Resume', 'Resume it');
    await page.locator('.rollout').getByRole('button', { name: 'Pause', exact: true }).waitFor();
    expect(await status(page)).toBe('running');
    await turn(page, 'Abort', 'Abort it');
    await page.getByText('What had not begun waits for the next commit.').waitFor();
    expect(await page.locator('.rollout button').count()).toBe(0);
    await page.close();
  });
});
