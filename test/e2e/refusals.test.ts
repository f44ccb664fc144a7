/** A start that cannot work says which setting it is and how to mend it, ends with a status other than 0 within 5 s of a machine with a core to spare, and leaves nothing behind. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmodSync, chownSync } from 'node:fs';
import { busyMs } from './support/busy.js';
import { holdTcp, holdUdp } from './support/free-ports.js';
import { Installation } from './support/installation.js';
import type { OurProcess } from './support/our-processes.js';

const WITHIN_MS = 5_000;
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

describe('npm start refuses', () => {
  let installation: Installation;
  beforeAll(async () => {
    installation = await Installation.create();
    // The first start of a checkout compiles; what is measured is the refusal.
    await installation.start(['--help-me']).ended(120_000);
  });
  afterAll(async () => installation.close());

  async function refused(args: string[], env: Record<string, string>, prefix: string[] = []): Promise<string> {
    const startedAt = performance.now();
    const run = installation.start(args, { env, prefix });
    let left: OurProcess[] = [];
    const end = await run.ended(15_000).finally(async () => {
      left = installation.processes();
      await installation.killAll(); // one that starts after all must not stand in the next one's way
    });
    expect(performance.now() - startedAt).toBeLessThan(busyMs(WITHIN_MS));
    expect(end).toEqual({ status: 2, signal: null });
    expect(run.output()).toMatch(/\n {2}fix: \S/);
    // For a person: no stack of ours.
    expect(run.output()).not.toMatch(/^\s+at .*\.js:\d+/m);
    expect(left).toEqual([]);
    return run.output();
  }

  it.each([
    ['PRYBAR_PORT', holdTcp],
    ['PRYBAR_BOOT_HTTP_PORT', holdTcp],
    ['PRYBAR_DHCP_PORT', holdUdp],
    ['PRYBAR_TFTP_PORT', holdUdp],
  ])('a port in use, naming %s and another', async (variable, hold) => {
    const held = await hold();
    try {
      const said = await refused(['--plain'], { [variable]: String(held.port) });
      expect(said).toContain(`${variable}: `);
      expect(said).toContain(`port ${held.port} on 127.0.0.1 is in use`);
      expect(said).toContain(`${variable}=${held.port + 100} npm start`);
    } finally {
      await held.close();
    }
  });

  it('a database that is not there', async () => {
    const held = await holdTcp();
    await held.close();
    const said = await refused(['--plain'], { DATABASE_URL: `postgresql://prybar:tops3cret@127.0.0.1:${held.port}/prybar` });
    expect(said).toMatch(new RegExp(`DATABASE_URL: no PostgreSQL answers at 127.0.0.1:${held.port}/prybar`));
    expect(said).not.toContain('tops3cret');
  });

  it('a database that takes the connection and says nothing', async () => {
    const held = await holdTcp();
    try {
      expect(await refused(['--plain'], { DATABASE_URL: `postgresql://prybar@127.0.0.1:${held.port}/prybar` })).toContain(
        'DATABASE_URL: no PostgreSQL answers',
      );
    } finally {
      await held.close();
    }
  });

  it('a Redis that is not there', async () => {
    const held = await holdTcp();
    await held.close();
    expect(await refused(['--plain'], { REDIS_URL: `redis://127.0.0.1:${held.port}` })).toContain(`REDIS_URL: no Redis answers at 127.0.0.1:${held.port}`);
  });

  it.each([
    ['DATABASE_URL', 'mysql://u:tops3cret@h/x'],
    ['DATABASE_URL', 'postgresql://u:tops3cret@[broken/x'],
    ['REDIS_URL', 'localhost:6379'],
    ['PRYBAR_PORT', 'http'],
    ['PRYBAR_DHCP_PORT', '70000'],
    ['PRYBAR_LOG_LEVEL', 'loud'],
    ['PRYBAR_FAST_SLOTS', '0'],
    ['PRYBAR_SWEEP_MS', '-5'],
    ['PRYBAR_HEARTBEAT_SECONDS', '1.5'],
    ['PRYBAR_QUEUE_PREFIX', 'Has Space'],
    ['PRYBAR_BOOT_HOST', 'not an address'],
    ['PRYBAR_TARGET_OS', 'no-such-os'],
  ])('%s=%s, naming the variable', async (variable, value) => {
    const said = await refused(['--plain'], { [variable]: value });
    expect(said).toContain(`prybar: ${variable}: `);
    expect(said).not.toContain('tops3cret');
  });

  it.each([
    [['--bogus'], '--bogus'],
    [['extra'], 'extra'],
    [['--rack', '0'], '--rack'],
    [['--rack', 'abc'], '--rack'],
    [['--rack'], '--rack'],
    [['--rack', '1.5'], '--rack'],
    [['--rack', '4', '--no-rack'], '--no-rack'],
    [['--no-demo', '--until-active'], '--no-demo'],
    [['--timeout', 'soon', '--until-active'], '--timeout'],
    [['--interface', 'nosuch0'], 'nosuch0'],
    [['--interface', ''], '--interface'],
  ])('the arguments %j', async (args, named) => {
    expect(await refused([...args, '--plain'], {})).toContain(named);
  });

  it('to serve an interface as an ordinary user, with both fixes', async () => {
    chmodSync(installation.home, 0o755);
    if (isRoot) chownSync(installation.home, NOBODY, NOBODY);
    const run = installation.startProgram('src/bin/up', ['--interface', 'lo', '--plain'], {
      // Whoever runs this as an ordinary user is one already.
      prefix: isRoot ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'] : [],
      env: { PRYBAR_DHCP_PORT: '67', PRYBAR_TFTP_PORT: '69' },
    });
    expect(await run.ended(15_000)).toEqual({ status: 2, signal: null });
    expect(run.output()).toMatch(/--interface: this user may not serve ports 67, 69$/m);
    expect(run.output()).toMatch(/systemd unit/);
    expect(run.output()).toMatch(/sysctl net\.ipv4\.ip_unprivileged_port_start=67/);
  });
});
