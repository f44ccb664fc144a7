/** What operators paste into their servers is taken by the real ones from Debian. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { iscHosts } from '../../../src/interchange/isc-dhcpd.js';
import { SNIPPET_SERVERS, snippetFor } from '../../../src/interchange/snippets.js';
import { snippetServerSchema } from '../../../src/api/external-schemas.js';
import { parseExternalSettings } from '../../../src/interchange/external/settings.js';

const run = promisify(execFile);
const PLACE = { host: '10.0.0.2', httpPort: 8191, tftpPort: 69 };

let tools: Awaited<ReturnType<typeof ensureTools<'dnsmasq' | 'dhcpd' | 'kea-dhcp4'>>>;
beforeAll(async () => {
  tools = await ensureTools(['dnsmasq', 'dhcpd', 'kea-dhcp4']);
}, 120_000);

async function withFile<T>(text: string, use: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'prybar-snippet-'));
  try {
    await writeFile(path.join(folder, 'configuration'), text);
    return await use(path.join(folder, 'configuration'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const dnsmasqTakes = (text: string) => withFile(text, (file) => run(tools.dnsmasq.path, ['--test', '-C', file], { env: tools.dnsmasq.env }));
const dhcpdTakes = (text: string) => withFile(text, (file) => run(tools.dhcpd.path, ['-4', '-t', '-q', '-cf', file], { env: tools.dhcpd.env }));

describe('a snippet', () => {
  it('is taken by dnsmasq', async () => {
    for (const server of ['dnsmasq', 'dnsmasq-driven'] as const) await dnsmasqTakes(snippetFor(server, PLACE).text);
    await expect(dnsmasqTakes('dhcp-boot=tag:a,,,,,nonsense nonsense\nnonsense')).rejects.toThrow();
  });

  it('is taken by ISC dhcpd, and so is the file of hosts', async () => {
    await dhcpdTakes(snippetFor('isc', PLACE).text);
    await dhcpdTakes(snippetFor('isc-omapi', PLACE).text.replace('REPLACE_WITH_BASE64', 'MDEyMzQ1Njc4OWFiY2RlZg=='));
    const host = { mac: '52:54:00:00:00:01', address: '10.0.0.5', hostname: 'n1', bootenv: 'debian-12', boot: 'network' as const };
    await dhcpdTakes(iscHosts([host], { ...PLACE, loaderForLocal: false }));
    await expect(dhcpdTakes('nonsense {')).rejects.toThrow();
  });

  it('is taken by Kea', async () => {
    const classes = JSON.parse(snippetFor('kea', PLACE).text) as Record<string, unknown>;
    const configuration = (more: object) =>
      JSON.stringify({ Dhcp4: { 'interfaces-config': { interfaces: [] }, 'lease-database': { type: 'memfile', persist: false }, ...more } });
    const take = (text: string) => withFile(text, (file) => run(tools['kea-dhcp4'].path, ['-t', file], { env: tools['kea-dhcp4'].env }));
    await take(configuration(classes));
    await expect(take(configuration({ 'client-classes': [{ name: 'x', test: 'nonsense' }] }))).rejects.toThrow();
  });

  it('of a driven server comes with an entry of external.yml that is read', () => {
    for (const server of SNIPPET_SERVERS) {
      const { externalYml } = snippetFor(server, PLACE);
      if (externalYml !== null) expect(parseExternalSettings(externalYml, 'external.yml')).toHaveLength(1);
    }
    expect([...SNIPPET_SERVERS]).toEqual(snippetServerSchema.options);
  });

  it('says what keeps it from working as the installation is', () => {
    expect(snippetFor('kea', { host: '127.0.0.1', httpPort: 8191, tftpPort: 6969 }).notes).toHaveLength(2);
    expect(snippetFor('kea', PLACE).notes).toEqual([]);
  });
});
