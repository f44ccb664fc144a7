/** `prybar dhcp ask` and `dhcp explain` from the command line to the database and back. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import path from 'node:path';
import { runCli } from '../../../src/cli/main.js';
import { API, startApi, type ApiFixture } from '../api/api-fixture.js';

let api: ApiFixture;
beforeAll(async () => {
  api = await startApi();
  await api.db.pool.query(
    `INSERT INTO networks (id, name, subnet, router, dns, dhcp_mode) VALUES (1, 'rack', '10.0.0.0/24', '10.0.0.1', '{10.0.0.2}', 'authoritative'),
            (2, 'quiet', '10.1.0.0/24', NULL, '{}', 'off')`,
  );
  await api.db.pool.query(`INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES (1, 'dhcp', '10.0.0.100', '10.0.0.109')`);
  await api.db.pool.query(`INSERT INTO reservations (network_id, address, mac) VALUES (1, '10.0.0.50', '52:54:00:00:00:07')`);
});
afterAll(() => api.close());

async function prybar(...args: string[]) {
  let [stdout, stderr] = ['', ''];
  const exitCode = await runCli(args, {
    env: { LANG: 'C.UTF-8', PRYBAR_URL: api.baseUrl, PRYBAR_TOKEN: api.tokens.viewer },
    cwd: process.cwd(),
    packageRoot: process.cwd(),
    stdout: { write: (text) => void (stdout += text) },
    stderr: { write: (text) => void (stderr += text) },
    signal: new AbortController().signal,
    now: Date.now,
  });
  return { exitCode, stdout, stderr };
}
const ask = async (body: object) => (await api.as('viewer').post(`${API}/dhcp/ask`).send(body)).body;

describe('netboot rule 23: prybar dhcp ask', () => {
  it('shows the reservation, the loader of the architecture, and every rule on the way', async () => {
    const { exitCode, stdout } = await prybar('dhcp', 'ask', '--mac', '52:54:00:00:00:07', '--arch', '7', '--network', 'rack');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/offer 10\.0\.0\.50 on rack/);
    expect(stdout).toMatch(/67 \S+ +snponly\.efi|file snponly\.efi/);
    for (const rule of ['asker', 'network', 'mode', 'decision', 'boot-file', 'destination']) expect(stdout).toContain(rule);
  });

  it('answers as iPXE, as HTTP Boot, by a relay, and on 4011', async () => {
    const mac = '5254.0000.0007';
    expect((await ask({ mac, arch: 7, user_class: 'iPXE', network: 'rack' })).reply.words.file).toMatch(/\/boot\/ipxe\/52-54-00-00-00-07$/);
    expect((await ask({ mac, arch: 16, relay: '10.0.0.1' })).reply).toMatchObject({ words: { giaddr: '10.0.0.1' }, to: '10.0.0.1:67' });
    expect((await ask({ mac, arch: 7, network: 'rack', port: 4011, type: 'request' })).decision).toMatch(/^boot/);
    expect((await ask({ mac, network: 'quiet' })).decision).toBe('ignore: network-off');
    expect((await ask({ mac, relay: '172.16.0.1' })).decision).toBe('ignore: unknown-network');
  });

  it('promises nothing: two machines are shown the same free address, and no lease is written', async () => {
    const before = (await api.db.pool.query('SELECT 1 FROM leases')).rowCount;
    expect((await ask({ mac: '52:54:00:00:00:08', network: 'rack' })).decision).toMatch(/^offer 10\.0\.0\.10\d$/);
    expect((await api.db.pool.query('SELECT 1 FROM leases')).rowCount).toBe(before);
  });

  it.each([
    [{ mac: 'nonsense' }, 'mac'],
    [{ mac: '52:54:00:00:00:07', network: 'rack', relay: '10.0.0.1' }, 'relay'],
    [{ mac: '52:54:00:00:00:07', network: 'nowhere' }, 'network'],
    [{ mac: '52:54:00:00:00:07', arch: -1 }, 'arch'],
    [{ mac: '52:54:00:00:00:07', options: { '300': '00' } }, 'options'],
    [{ mac: '52:54:00:00:00:07', relay: '10.0.0' }, 'relay'],
  ])('refuses %j and names the field', async (body, field) => {
    const { body: problem } = await api.as('viewer').post(`${API}/dhcp/ask`).send(body).expect(400);
    expect(JSON.stringify(problem.errors)).toContain(field);
  });
});

describe('netboot rule 23: prybar dhcp explain', () => {
  const file = path.resolve('test/fixtures/packets/ovmf-boot.pcap');

  it('explains a captured boot of OVMF, and says what we would answer', async () => {
    const { exitCode, stdout } = await prybar('dhcp', 'explain', file, '--options');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/DISCOVER/);
    expect(stdout).toMatch(/we: offer 10\.0\.0\.10\d on rack/);
    expect(stdout).toMatch(/7 \(x64 UEFI\)/);
    expect(stdout).toMatch(/its last REQUEST \(packet 2\) got no answer in the capture/);
  });

  it('says what a file is that is no capture, and that a file is not there', async () => {
    expect(await prybar('dhcp', 'explain', 'package.json')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('neither pcap nor pcapng') });
    expect(await prybar('dhcp', 'explain', 'no-such.pcap')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('cannot be read') });
  });
});
