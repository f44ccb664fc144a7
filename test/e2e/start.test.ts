/** One command takes a rack from power-on to ACTIVE, and a second start goes on where the first stopped. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../support/wait-for.js';
import { busyMs } from './support/busy.js';
import { Installation } from './support/installation.js';
import { assertSoundHistory } from './support/history.js';
import { countersIn, phasesIn } from './support/rack-log.js';
import { readBootServerCounters } from './support/server-counters.js';

const NODES = 4;

describe('npm start', () => {
  let installation: Installation;
  beforeAll(async () => {
    installation = await Installation.create();
  });
  afterAll(async () => installation.close());

  it('ends with status 0 and a summary when every noderole of the rack is ACTIVE', async () => {
    const run = installation.start(['--rack', String(NODES), '--until-active', '--plain']);
    expect(await run.ended(120_000)).toEqual({ status: 0, signal: null });
    expect(run.output()).toMatch(/demo: 4 nodes, 4 of them all ACTIVE; 12 of 12 noderoles ACTIVE/);
    expect(installation.processes()).toEqual([]);
  });

  it('had every machine make its DHCP, TFTP and HTTP exchanges, by the machines own count', () => {
    const counters = countersIn(installation.log('rack'));
    expect(counters).toHaveLength(1);
    expect(counters[0]).toMatchObject({ complete: NODES, of: NODES });
    const machines = Object.values(counters[0]?.machines ?? {});
    expect(machines).toHaveLength(NODES);
    for (const machine of machines) {
      // Three boots: discovery, installer, disk. Firmware and iPXE ask for an address in each of the first two.
      expect(machine).toMatchObject({ boots: 3, failedBoots: 0, installs: 1, complaints: 0, dhcpNaks: 0 });
      expect(machine.dhcpAcks).toBeGreaterThanOrEqual(5);
      expect(machine.tftpFiles).toBeGreaterThanOrEqual(2);
      expect(machine.httpRequests).toBeGreaterThanOrEqual(8);
    }
  });

  it('resumes at a second start: machines boot their disks, nothing is installed again', async () => {
    const before = installation.log('rack').length;
    const run = installation.start(['--rack', String(NODES), '--plain']);
    await run.said(/simulated rack/);
    const client = installation.client();
    await waitFor(
      async () =>
        (await client.nodes.list({ limit: 100 })).items.filter((node) => node.observed.class === 'installed' && node.serial !== null && node.alive).length ===
        NODES,
      { what: 'every machine to be alive on its disk', timeoutMs: 60_000 },
    );
    await waitFor(() => phasesIn(installation.log('rack'), before).has('running'), { what: 'the agents to work', timeoutMs: 30_000 });

    // Servers report every 5 s; a boot from disk asks for two addresses, one loader and one script.
    const servers = await waitFor(
      async () => {
        const seen = await readBootServerCounters(installation);
        const areAllThere = (seen.dhcp['acks'] ?? 0) >= 2 * NODES && (seen.http['scripts'] ?? 0) >= NODES && (seen.tftp['done'] ?? 0) >= NODES;
        return areAllThere ? seen : undefined;
      },
      { what: 'the servers to have counted every boot', timeoutMs: 20_000, everyMs: 500 },
    );
    process.kill(run.pid, 'SIGTERM');
    expect(await run.ended(15_000)).toEqual({ status: 0, signal: null });

    const counters = countersIn(installation.log('rack')).at(-1);
    expect(counters).toMatchObject({ complete: NODES, totals: { boots: NODES, installs: 0, failedBoots: 0, complaints: 0 } });
    expect(phasesIn(installation.log('rack'), before).has('installing')).toBe(false);
    // The servers counted what the machines counted.
    expect(servers.dhcp).toMatchObject({ acks: counters?.totals.dhcpAcks, offers: counters?.totals.dhcpOffers, naks: 0, malformed: 0 });
    expect(servers.tftp).toMatchObject({ done: counters?.totals.tftpFiles, bytes: counters?.totals.tftpBytes, failed: 0, notFound: 0 });
    expect(servers.http).toMatchObject({ scripts: NODES, failed: 0, notFound: 0 });
  });

  it('ends at once with status 0 at a start with --until-active when all was ACTIVE already', async () => {
    const startedAt = Date.now();
    const run = installation.start(['--rack', String(NODES), '--until-active', '--plain']);
    expect(await run.ended(30_000)).toEqual({ status: 0, signal: null });
    expect(Date.now() - startedAt).toBeLessThan(busyMs(20_000));
  });

  it('kept a sound history', async () => {
    const run = installation.start(['--no-rack', '--plain']);
    await run.said(/web page and API/);
    await assertSoundHistory(installation);
    expect(await installation.query('SELECT status, count(*)::int AS n FROM installs GROUP BY status')).toEqual([{ status: 'completed', n: NODES }]);
    process.kill(run.pid, 'SIGTERM');
    expect((await run.ended(15_000)).status).toBe(0);
  });
});
