/** The rack comes up by our DHCP server and by nothing else: without it no machine gets further, with it again all go on. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../support/wait-for.js';
import { Installation } from './support/installation.js';
import { killHard, pidOf, send } from './support/our-processes.js';
import { countersIn, phasesIn } from './support/rack-log.js';

const NODES = 3;

describe('stopping the DHCP server', () => {
  let installation: Installation;
  beforeEach(async () => {
    installation = await Installation.create({ PRYBAR_ALIVE_GRACE_SECONDS: '4', PRYBAR_HEARTBEAT_SECONDS: '1' });
  });
  afterEach(async () => installation.close());

  it('stops the rack: no machine gets beyond asking for an address, and the board says that there is none', async () => {
    const run = installation.start(['--rack', String(NODES), '--until-active', '--plain', '--split', '--timeout', '120']);
    // Stopped before the rack has power: its sockets are there, and nobody answers.
    const boot = await installation.pid('boot');
    await waitFor(() => pidOf(installation.home, 'api') !== undefined, { what: 'the start to get past the boot services' });
    send(boot, 'SIGSTOP');
    await waitFor(() => phasesIn(installation.log('rack')).has('dhcp'), { what: 'a machine to ask for an address', timeoutMs: 30_000 });
    await sleep(8_000); // time in which a rack with DHCP installs and boots its disks
    expect([...phasesIn(installation.log('rack'))].filter((phase) => !['off', 'post', 'dhcp', 'failed'].includes(phase))).toEqual([]);
    expect(run.output()).toMatch(/0\/0 nodes alive; deployment demo is not there yet/);
    expect((await installation.client().nodes.list({ limit: 100 })).items.filter((node) => node.serial !== null)).toEqual([]);

    send(boot, 'SIGCONT');
    expect(await run.ended(120_000)).toEqual({ status: 0, signal: null });
    const counters = countersIn(installation.log('rack')).at(-1);
    expect(counters).toMatchObject({ complete: NODES, of: NODES });
    expect(counters?.totals.dhcpTimeouts).toBeGreaterThan(0);
  });

  it('stops what is being installed: `why` names the machine and where its boot stands, and all ends ACTIVE when the server is back', async () => {
    const run = installation.start(['--rack', String(NODES), '--until-active', '--plain', '--split', '--timeout', '150']);
    // The machines have been told to install and lose power for it; until they have an address again, nothing is served.
    await waitFor(
      async () => (await installation.client().nodes.list({ limit: 100 })).items.filter((node) => node.desired.bootenv === 'debian-12').length === NODES,
      { what: 'every machine to be told to install', timeoutMs: 90_000, everyMs: 20 },
    );
    const boot = await installation.pid('boot');
    send(boot, 'SIGSTOP');
    await sleep(6_000); // longer than the grace of a machine that sends no heartbeat
    const client = installation.client();
    const { items } = await client.nodeRoles.list({ deployment: 'demo', limit: 100 });
    expect(items.filter((one) => one.state === 'ACTIVE')).toEqual([]);
    for (const one of items) {
      const why = await client.nodeRoles.why(one.id);
      expect(`${why.answer} ${why.chain.map((link) => link.text).join('; ')}`).toMatch(/waits|not alive|is TRANSITION|is BLOCKED|no DHCP server/);
      expect(why.unblock).not.toBe('');
    }
    // A server that does not report is out of the set whose word is waited for, and the status says so.
    await waitFor(async () => (await client.status()).servers.length === 0, { what: 'the status to show no boot server', timeoutMs: 20_000, everyMs: 200 });

    // Back as a new process, as after a crash of its host.
    await killHard(boot);
    expect(await run.ended(150_000)).toEqual({ status: 0, signal: null });
    expect(run.output()).toMatch(/9 of 9 noderoles ACTIVE/);
  });
});
