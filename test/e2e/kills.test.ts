/** SIGKILL of any process at any moment: what supervises it starts it again, and the deployment ends ACTIVE all the same. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../support/wait-for.js';
import { assertSoundHistory } from './support/history.js';
import { busyMs } from './support/busy.js';
import { Installation, type Running } from './support/installation.js';
import { killHard, pidOf } from './support/our-processes.js';

const NODES = 4;
const ACTIVE = /12 of 12 noderoles ACTIVE/;
const SERVICES = ['hooks', 'runs', 'annealer', 'boot', 'api', 'rack', 'postgres'] as const;

describe('npm start', () => {
  let installation: Installation;
  beforeEach(async () => {
    // A claim, a lease and a machine that went away are seen sooner than by default, so that a test takes seconds.
    installation = await Installation.create({ PRYBAR_RUN_LEASE_SECONDS: '5', PRYBAR_ALIVE_GRACE_SECONDS: '8', PRYBAR_HEARTBEAT_SECONDS: '2' });
  });
  afterEach(async () => installation.close());

  async function expectSound(): Promise<void> {
    const run = installation.start(['--no-rack', '--plain']);
    await run.said(/web page and API/);
    await assertSoundHistory(installation);
    // Every machine was installed once, and only once: a kill is no reason to wipe a disk again.
    expect(
      await installation.query("SELECT node_id, count(*)::int AS n FROM installs WHERE status <> 'abandoned' GROUP BY node_id HAVING count(*) <> 1"),
    ).toEqual([]);
    process.kill(run.pid, 'SIGTERM');
    await run.ended(20_000);
  }

  /** The worst moment: some machines have claimed their disk, others are on their way. */
  async function untilDisksAreWritten(): Promise<void> {
    await waitFor(() => installation.log('rack').includes('base system'), { what: 'a machine to write its disk', timeoutMs: busyMs(90_000), everyMs: 5 });
  }

  async function expectActive(run: Running, withinMs = 150_000): Promise<void> {
    const end = await run.ended(withinMs);
    expect(run.output()).toMatch(ACTIVE);
    expect(end).toEqual({ status: 0, signal: null });
    expect(installation.processes()).toEqual([]);
  }

  it('ends ACTIVE although each service and the rack are killed while machines install', async () => {
    const run = installation.start(['--rack', String(NODES), '--until-active', '--plain', '--split', '--timeout', '150']);
    for (const name of ['hooks', 'boot', 'rack', 'api', 'runs', 'annealer'] as const) {
      const pid = await installation.pid(name);
      await sleep(Math.random() * 1_500); // the moment is the point: before it is ready, or at work
      await killHard(pid);
      await waitFor(() => pidOf(installation.home, name) !== undefined, { what: `${name} to be started again`, timeoutMs: busyMs(20_000) });
    }
    await expectActive(run);
    await expectSound();
  });

  it.each(SERVICES)('ends ACTIVE although %s is killed in the middle of the installations', async (name) => {
    const run = installation.start(['--rack', String(NODES), '--until-active', '--plain', '--split', '--timeout', '120']);
    await untilDisksAreWritten();
    const killed = await installation.pid(name);
    await killHard(killed);
    await waitFor(() => ![undefined, killed].includes(pidOf(installation.home, name)), { what: `${name} to be started again`, timeoutMs: busyMs(20_000) });
    await expectActive(run);
    await expectSound();
  });

  it('goes on at the next start when it was killed itself; what it had started ends, but for the database, which is taken over', async () => {
    const first = installation.start(['--rack', String(NODES), '--plain', '--split']);
    await untilDisksAreWritten();
    const database = await installation.pid('postgres');
    process.kill(first.pid, 'SIGKILL');
    await waitFor(() => installation.processes().every((one) => one.pid === database), {
      what: 'the services to end by themselves',
      timeoutMs: busyMs(12_000),
    });

    const second = installation.start(['--rack', String(NODES), '--until-active', '--plain', '--split', '--timeout', '120']);
    await second.said(new RegExp(`PostgreSQL is still running from an earlier start \\(pid ${database}\\): using it`));
    await expectActive(second);
    await expectSound();
  });

  it.each([500, 1_500, 2_500])('leaves no service behind when it is killed %i ms after its start', async (afterMs) => {
    const run = installation.start(['--rack', '2', '--plain', '--split']);
    await sleep(afterMs);
    process.kill(run.pid, 'SIGKILL');
    await waitFor(() => installation.processes().every((one) => one.name === 'postgres'), {
      what: 'the services to end by themselves',
      timeoutMs: busyMs(12_000),
    });
  });
});
