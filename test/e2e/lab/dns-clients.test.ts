/** DNS on its own port, asked by independent clients in another network namespace: dig, kdig and dnsperf's load. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { waitFor } from '../../support/wait-for.js';
import { mustRunIn } from './support/command.js';
import { addNetwork, type Site } from './support/service.js';
import { openLan, SERVER, type Lan } from './support/lan.js';
import type { World, Port } from './support/world.js';

const HOSTS = 50;

let lan: Lan | undefined;
let world: World | undefined;
let site: Site;
let client: Port;

beforeAll(async () => {
  lan = await openLan('DNS by independent clients', async ({ world, site }) => {
    client = await world.addHost('client', 'lan', { address: '10.77.0.250/24' });
    await addNetwork(site.pool, { id: 1, name: 'lan', subnet: '10.77.0.0/24' });
    for (let host = 1; host <= HOSTS; host += 1) {
      const mac = `52:54:00:ab:53:${host.toString(16).padStart(2, '0')}`;
      await site.pool.query('INSERT INTO reservations (network_id, address, mac, hostname) VALUES (1, $1, $2, $3)', [
        `10.77.0.${host + 10}`,
        mac,
        `bmc${host}`,
      ]);
    }
  });
  if (lan === undefined) return;
  ({ world, site } = lan);
}, 120_000);

afterAll(async () => {
  await lan?.close();
});

describe.each(['dig', 'kdig'] as const)('%s', (name) => {
  it('finds a reserved name, its address, its zone, over UDP and TCP', async () => {
    if (world === undefined) return;
    const { [name]: tool } = await ensureTools([name]);
    const ask = async (...words: string[]): Promise<string> => (await mustRunIn(client.ns, [tool.path, `@${SERVER}`, ...words], { env: tool.env })).trim();
    await waitFor(async () => (await ask('bmc1.lab.example', 'A', '+short')) === '10.77.0.11', { what: 'the name to be served' });
    expect(await ask('bmc7.lab.example', 'A', '+short', '+tcp')).toBe('10.77.0.17');
    expect(await ask('-x', '10.77.0.17', '+short')).toBe('bmc7.lab.example.');
    expect(await ask('lab.example', 'SOA', '+short')).toMatch(/hostmaster/);
    expect(await ask('nobody.lab.example', 'A')).toMatch(/NXDOMAIN/);
  });
});

describe('dnsperf', () => {
  it('loses none of its questions', async () => {
    if (world === undefined) return;
    const { dnsperf } = await ensureTools(['dnsperf']);
    const questions = path.join(site.home, 'questions');
    writeFileSync(questions, Array.from({ length: HOSTS }, (_, index) => `bmc${index + 1}.lab.example A\n`).join(''));
    const text = await mustRunIn(client.ns, [dnsperf.path, '-s', SERVER, '-d', questions, '-n', '100', '-Q', '2000'], { env: dnsperf.env });
    expect(text).toMatch(/Queries sent:\s+5000/);
    expect(text).toMatch(/Queries completed:\s+5000/);
    expect(text).toMatch(/NOERROR 5000 \(100\.00%\)/);
  });
});
