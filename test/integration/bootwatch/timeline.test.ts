/** The boot timeline from the recorder's rows to the API's answer and the command line. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { runCli } from '../../../src/cli/main.js';
import { forgetBootSteps } from '../../../src/nodes/boot-retention.js';
import { recordPhases } from '../../../src/nodes/phase.js';
import { recordTokenRefusal } from '../../../src/nodes/token-refusal.js';
import { createNode } from '../../../src/nodes/store.js';
import { API, startApi, type ApiFixture } from '../api/api-fixture.js';

const NODE_MAC = '52:54:00:00:00:01';
const STRANGER = '52:54:00:00:00:99';

let api: ApiFixture;
let nodeId: number;
beforeAll(async () => {
  api = await startApi();
  ({ nodeId } = await createNode(api.db, { name: 'n1', macs: [NODE_MAC], deploymentId: null }));
});
afterAll(() => api.close());
beforeEach(() => api.db.pool.query('DELETE FROM boot_events'));

const seen = (mac: string, kind: string, ms: number, detail = '', data: Record<string, unknown> = {}) => ({
  mac,
  kind,
  phase: null,
  detail,
  at: new Date(Date.parse('2026-11-21T10:00:00Z') + ms),
  data,
});
const timeline = async (query = '', path = `/nodes/n1/boot-timeline`) => (await api.as('viewer').get(`${API}${path}${query}`).expect(200)).body;

async function prybar(args: string[], signal = new AbortController().signal, onOutput: (text: string) => void = () => undefined) {
  let stdout = '';
  const exitCode = await runCli(args, {
    env: { LANG: 'C.UTF-8', PRYBAR_URL: api.baseUrl, PRYBAR_TOKEN: api.tokens.viewer },
    cwd: api.home,
    packageRoot: process.cwd(),
    stdout: { write: (text) => onOutput((stdout += text)) },
    stderr: { write: () => undefined },
    signal,
    now: Date.now,
  });
  return { exitCode, stdout };
}

describe('the boot timeline of a node', () => {
  it('is empty for a node that was never heard, and not found for a MAC that was not', async () => {
    expect(await timeline()).toEqual({ node: { id: nodeId, name: 'n1' }, items: [], next: null, total: 0, present_from: null });
    await api.as('viewer').get(`${API}/boot/unknown/${STRANGER}`).expect(404);
    const { body } = await api.as('viewer').get(`${API}/boot/unknown/nonsense`).expect(400);
    expect(JSON.stringify(body.errors)).toContain('must be a MAC address');
  });

  it('has every step oldest first, its words, its facts, and where the present boot begins', async () => {
    await recordPhases(api.db, [
      seen(NODE_MAC, 'facts', 0),
      seen(NODE_MAC, 'power-cycle', 60_000),
      seen(NODE_MAC, 'dhcp-discover', 90_000, 'pxe, x86 BIOS', { stage: 'pxe', xid: '00001234' }),
    ]);
    const { items, present_from: from, total } = await timeline();
    expect(items.map((item: { title: string }) => item.title)).toEqual(['agent alive', 'power cycle', 'DISCOVER seen']);
    expect(items[2]).toMatchObject({ kind: 'dhcp-discover', tone: 'plain', text: 'pxe, x86 BIOS', facts: { stage: 'pxe', xid: '00001234' } });
    expect(from).toBe(items[1].id);
    expect(total).toBe(3);
  });

  it('pages back by cursor and forward by the id or the time of the last step', async () => {
    await recordPhases(
      api.db,
      Array.from({ length: 7 }, (_, index) => seen(NODE_MAC, 'dhcp-discover', index * 1000, String(index))),
    );
    const newest = await timeline('?limit=3');
    expect(newest.items.map((item: { text: string }) => item.text)).toEqual(['4', '5', '6']);
    const older = await timeline(`?limit=3&after=${newest.next}`);
    expect(older.items.map((item: { text: string }) => item.text)).toEqual(['1', '2', '3']);
    const last = await timeline(`?limit=3&after=${older.next}`);
    expect([last.items.length, last.next]).toEqual([1, null]);
    const since = await timeline(`?limit=2&since=${older.items[0].id}`);
    expect(since.items.map((item: { text: string }) => item.text)).toEqual(['2', '3']);
    expect((await timeline('?since=2026-11-21T10:00:04Z')).items).toHaveLength(2);
    await api.as('viewer').get(`${API}/nodes/n1/boot-timeline?since=yesterday`).expect(400);
    await api.as('nobody').get(`${API}/nodes/n1/boot-timeline`).expect(401);
  });

  it('notes a refused token on the timeline of the machine whose token it is', async () => {
    await recordTokenRefusal(api.db, { nodeId, source: '127.0.0.1', call: 'bootenv-local', reason: 'expired' });
    const { items } = await timeline();
    expect(items).toMatchObject([{ title: 'token refused', tone: 'bad', text: 'bootenv-local: expired', mac: NODE_MAC }]);
  });
});

describe('machines that are no node', () => {
  it('are listed by MAC, found by a part of it, and have a timeline', async () => {
    await recordPhases(api.db, [seen(NODE_MAC, 'dhcp-discover', 0), seen(STRANGER, 'dhcp-discover', 1), seen(STRANGER, 'dhcp-ignored', 2, 'pool-exhausted')]);
    const { body } = await api.as('viewer').get(`${API}/boot/unknown`).expect(200);
    expect(body).toMatchObject({ total: 1, next: null, items: [{ mac: STRANGER, steps: 2, last: { title: 'not answered', text: 'pool-exhausted' } }] });
    expect((await api.as('viewer').get(`${API}/boot/unknown?q=00:77`).expect(200)).body.items).toEqual([]);
    expect((await timeline('', '/boot/unknown/5254.0000.0099')).items).toHaveLength(2);
    expect((await prybar(['boot', 'unknown'])).stdout).toContain(STRANGER);
  });
});

describe('what is kept', () => {
  it('is the newest steps of each machine, of some days, and a bounded number of strangers', async () => {
    const now = Date.now() - Date.parse('2026-11-21T10:00:00Z');
    await recordPhases(api.db, [
      seen(NODE_MAC, 'facts', now - 40 * 86_400_000, 'old'),
      ...Array.from({ length: 6 }, (_, index) => seen(NODE_MAC, 'dhcp-discover', now, String(index))),
      ...Array.from({ length: 6 }, (_, index) => seen(`52:54:00:00:01:0${index}`, 'dhcp-discover', now)),
    ]);
    expect(await forgetBootSteps(api.db.pool, { keep: 4, keepDays: 30, keepUnknown: 5 })).toBe(4);
    expect((await timeline()).items.map((item: { text: string }) => item.text)).toEqual(['2', '3', '4', '5']);
    expect((await api.as('viewer').get(`${API}/boot/unknown`)).body.total).toBe(5);
    expect(await forgetBootSteps(api.db.pool, { keep: 4, keepDays: 30, keepUnknown: 5 })).toBe(0);
  });
});

describe('prybar boot timeline', () => {
  it('prints the present boot, and with --json what the API says', async () => {
    await recordPhases(api.db, [
      seen(NODE_MAC, 'facts', 0),
      seen(NODE_MAC, 'power-on', 60_000),
      seen(NODE_MAC, 'dhcp-discover', 63_500, 'pxe', { stage: 'pxe' }),
    ]);
    const { stdout } = await prybar(['boot', 'timeline', 'n1']);
    expect(stdout).toMatch(/10:01:03\.500 +\+3\.500 s {2}· DISCOVER seen +pxe/);
    expect(stdout).not.toContain('agent alive');
    expect((await prybar(['boot', 'timeline', 'n1', '--all'])).stdout).toContain('agent alive');
    expect(JSON.parse((await prybar(['--json', 'boot', 'timeline', NODE_MAC])).stdout).items).toHaveLength(3);
  });

  it('--watch prints each step as it comes', async () => {
    const stop = new AbortController();
    await recordPhases(api.db, [seen(NODE_MAC, 'dhcp-discover', 0, 'first')]);
    let isSecond = false;
    const { stdout } = await prybar(['boot', 'timeline', 'n1', '--watch'], stop.signal, (text) => {
      if (text.includes('second')) stop.abort();
      else if (!isSecond) void recordPhases(api.db, [seen(NODE_MAC, 'dhcp-offer', 10, 'second')]);
      isSecond = true;
    });
    expect(stdout.split('\n').filter((line) => line !== '')).toHaveLength(2);
  });
});
