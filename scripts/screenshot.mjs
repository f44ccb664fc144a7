/**
 * Takes a picture of a running Prybar's web page for the README, with Debian's chromium. Nothing is downloaded.
 *
 *   node scripts/screenshot.mjs --url http://127.0.0.1:8190 --token-file .prybar/admin-token --out docs/board.png
 *
 * Options: --page '#/fleet' (default: the page that opens by itself), --width, --height, --scale (pixels, device pixels per
 * pixel), --scheme light|dark, --wait 'css selector' (what must be visible; default: a tile or a cell), --settle-ms.
 * The browser is /usr/bin/chromium, or what PRYBAR_CHROMIUM names.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8190' },
    'token-file': { type: 'string', default: '.prybar/admin-token' },
    out: { type: 'string', default: 'docs/board.png' },
    page: { type: 'string', default: '' },
    width: { type: 'string', default: '1440' },
    height: { type: 'string', default: '760' },
    scale: { type: 'string', default: '1.5' },
    scheme: { type: 'string', default: 'light' },
    wait: { type: 'string', default: '.tile, .matrix .face' },
    'settle-ms': { type: 'string', default: '1200' },
  },
});

const executablePath = process.env['PRYBAR_CHROMIUM'] ?? '/usr/bin/chromium';

/** @param {string} message */
function refuse(message) {
  console.error(`screenshot: ${message}`);
  process.exit(1);
}

if (!existsSync(executablePath)) refuse(`${executablePath} is missing: apt-get install chromium, or set PRYBAR_CHROMIUM`);
if (!existsSync(values['token-file'])) refuse(`${values['token-file']} is missing: is Prybar running here? Say --token-file`);

const token = readFileSync(values['token-file'], 'utf8').trim();
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
    '--hide-scrollbars',
  ],
});
try {
  const page = await browser.newPage({
    viewport: { width: Number(values.width), height: Number(values.height) },
    deviceScaleFactor: Number(values.scale),
    colorScheme: values.scheme === 'dark' ? 'dark' : 'light',
  });
  const problems = /** @type {string[]} */ ([]);
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  await page.addInitScript((kept) => sessionStorage.setItem('prybar.token', kept), token);
  await page.goto(`${values.url}/${values.page}`);
  await page.waitForSelector(values.wait, { timeout: 30_000 });
  // Bars and flashes come to rest before the picture is taken.
  await page.waitForTimeout(Number(values['settle-ms']));
  mkdirSync(dirname(values.out), { recursive: true });
  await page.screenshot({ path: values.out });
  console.log(`${values.out}: ${values.width} x ${values.height}${problems.length > 0 ? `; the page complained: ${problems.join(' | ')}` : ''}`);
} catch (error) {
  refuse(error instanceof Error ? error.message : String(error));
} finally {
  await browser.close();
}
