import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it, expect } from '@jest/globals';
import type { MachineTiming } from '../../../src/simulator/life.js';
import type { Machine } from '../../../src/simulator/machine.js';
import type { RackEvent } from '../../../src/simulator/rack-events.js';
import { Rack, type RackOptions } from '../../../src/simulator/rack.js';
import { waitFor } from '../../support/wait-for.js';
import { TinySite, type Heard, type Reply } from './tiny-site.js';

const TIMING: Partial<MachineTiming> = {
  dhcpTimeoutsMs: [100, 200, 400, 800],
  tftpTimeoutMs: 100,
  selfTestMs: 1,
  installSeconds: 0.02,
  scriptSeconds: 0,
  bootLoopPausesMs: [50],
  callRetryPausesMs: [20, 50],
};

let site: TinySite;
let home: string;
let rack: Rack | undefined;
let events: RackEvent[];

/** What the site knows of its one node: which class its script boots, and the next work for its agent. */
let bootClass: 'discovery' | 'installer' | 'local';
let work: unknown[];

beforeEach(async () => {
  site = await new TinySite().start();
  home = await mkdtemp(path.join(tmpdir(), 'rack '));
  events = [];
  bootClass = 'discovery';
  work = [];
  site.script = script;
  site.routes = routes;
});

afterEach(async () => {
  await rack?.close();
  rack = undefined;
  await site.close();
  await rm(home, { recursive: true });
});

function script(mac: string): string {
  if (bootClass === 'local') return '#!ipxe\nsanboot --no-describe --drive 0x80 || exit 1';
  const answers = bootClass === 'installer' ? ` url=${site.base}/boot/answers/read/preseed.cfg` : '';
  return `#!ipxe
kernel ${site.base}/boot/files/${bootClass}/linux initrd=initrd BOOTIF=01-${mac} prybar.url=${site.base} prybar.token=boottoken prybar.bootenv=${bootClass} prybar.class=${bootClass}${answers}
initrd --name initrd ${site.base}/boot/files/${bootClass}/initrd
boot`;
}

const WELCOME = { node: { id: 7, name: 'n7' }, agent_token: 'agenttoken', heartbeat_seconds: 1, wait_seconds: 5 };
const INSTALLED = { install_id: 3, node: { id: 7, name: 'n7' }, disk_token: 'disktoken' };

function routes(heard: Heard): Reply | undefined {
  switch (`${heard.method} ${heard.path}`) {
    case 'POST /node/facts':
    case 'POST /node/7/boot':
      return { status: 200, json: WELCOME };
    case 'POST /node/7/heartbeat':
      return { status: 204 };
    case 'POST /node/7/work':
      return work.length > 0 ? { status: 200, json: work.shift() } : { status: 204, hold: new Promise(() => undefined) };
    case 'GET /boot/answers/read/preseed.cfg':
      return { status: 200, text: `wget --header="Authorization: Bearer installtoken-0123456789" ${site.base}/node/7/bootenv-local` };
    case 'POST /node/7/installing':
      return { status: 200, json: {} };
    case 'POST /node/7/bootenv-local':
      bootClass = 'local';
      return { status: 200, json: { ...INSTALLED, agent: { url: site.base, heartbeat_seconds: 1 } } };
    default:
      return /^\/node\/7\/runs\/\d+\/(?:log|renew|result)$/.test(heard.path) ? { status: 200, json: { lease_seconds: 30 } } : undefined;
  }
}

async function openRack(options: Partial<RackOptions> = {}): Promise<Rack> {
  const { timing, ...others } = options;
  rack = await Rack.open({ nodes: 1, home, servers: site.servers, timing: { ...TIMING, ...timing }, emit: (event) => events.push(event), ...others });
  return rack;
}

async function powerUp(options: Partial<RackOptions> = {}): Promise<Machine> {
  const opened = await openRack(options);
  opened.powerUp();
  return [...opened.machines.values()].at(-1) as Machine;
}

/** Machine number `number` alone is on. */
async function powerUpOnly(number: number): Promise<Machine> {
  const opened = await openRack({ nodes: number });
  const machine = [...opened.machines.values()][number - 1];
  machine.start();
  return machine;
}

const isRunning = (machine: Machine) => () => machine.status.phase === 'running';
const phases = () => events.flatMap((event) => (event.event === 'machine' ? [event.phase] : []));
const power = async (body: unknown, what = 'SIM0001/power', authorized = true) => {
  const { host, port, username, password } = (rack as Rack).bmc;
  const authorization = `Basic ${Buffer.from(`${username}:${authorized ? password : 'wrong'}`).toString('base64')}`;
  const response = await fetch(`http://${host}:${port}/bmc/${what}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

describe('a simulated machine', () => {
  it.each([
    [1, 'bios', 'undionly.kpxe', '127.77.0.11'],
    [3, 'uefi', 'snponly.efi', '127.77.0.13'],
  ])('number %d (%s) goes by DHCP, TFTP, DHCP and HTTP to an agent, from its leased address', async (number, firmware, loader, address) => {
    const machine = await powerUpOnly(number);
    await waitFor(isRunning(machine), { what: 'the agent' });
    await waitFor(() => site.requests('POST /node/7/heartbeat').length > 0, { what: 'a heartbeat' });
    expect(site.dhcpTypes).toEqual([1, 3, 1, 3]);
    expect(site.tftpFiles).toEqual([loader]);
    const [facts] = site.requests('POST /node/facts');
    expect(facts).toMatchObject({ token: 'boottoken', body: { serial: `SIM000${number}`, firmware, class: 'discovery' } });
    expect(site.requests('POST /node/7/work')[0]).toMatchObject({ token: 'agenttoken', body: { boot_id: facts?.body['boot_id'], wait_seconds: 5 } });
    expect(new Set(site.heard.map((heard) => heard.from))).toEqual(new Set([address]));
    expect(machine.counters).toMatchObject({ dhcpAcks: 2, tftpFiles: 1, tftpBytes: 70_000, complaints: 0, failedBoots: 0 });
    expect(machine.status).toMatchObject({ power: 'on', address, node: { id: 7, name: 'n7' } });
  });

  it.each([1, 3])('number %d installs, reboots, is told to boot its disk and comes back with the token on it', async (number) => {
    bootClass = 'installer';
    const machine = await powerUpOnly(number);
    await waitFor(isRunning(machine), { what: 'the installed agent' });
    expect(site.requests('POST /node/7/installing')[0]).toMatchObject({ token: 'installtoken-0123456789' });
    expect(site.requests('POST /node/7/bootenv-local')).toHaveLength(1);
    expect(site.requests('POST /node/7/boot')[0]).toMatchObject({ token: 'disktoken', body: { class: 'installed', install_id: 3 } });
    expect(machine.status).toMatchObject({ installed: 'installer', power: 'on' });
    expect(machine.counters).toMatchObject({ boots: 2, installs: 1, complaints: 0 });
    expect(site.dhcpTypes).toEqual([1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
  });

  it('calls back again with the same body when the answer was lost', async () => {
    bootClass = 'installer';
    const machine = await powerUp({ faults: { loss: 0, lostCallback: 1 } });
    await waitFor(isRunning(machine), { what: 'the installed agent' });
    const calls = site.requests('POST /node/7/bootenv-local');
    expect(calls).toHaveLength(2);
    expect(calls[0]?.body).toEqual(calls[1]?.body);
  });

  it('boots through a network that loses every sixth datagram', async () => {
    const machine = await powerUp({ faults: { loss: 1 / 6, lostCallback: 0 }, seed: 'lossy' });
    await waitFor(isRunning(machine), { what: 'the agent', timeoutMs: 20_000 });
    expect(machine.counters.packetsDropped).toBeGreaterThan(0);
  }, 25_000);

  it('boots from its disk after a restart of the rack', async () => {
    bootClass = 'installer';
    const first = await powerUp();
    await waitFor(isRunning(first), { what: 'the installed agent' });
    const { port, password } = (rack as Rack).bmc;
    await rack?.close();
    const second = await powerUp();
    expect(second.status).toMatchObject({ installed: 'installer' });
    await waitFor(isRunning(second), { what: 'the agent after the restart' });
    expect(site.requests('POST /node/7/boot')).toHaveLength(2);
    expect((rack as Rack).bmc).toMatchObject({ port, password, fresh: false });
  });

  it.each([
    ['before its callback', 200],
    ['after its callback had arrived', 409],
  ])('goes on with an installation when the rack is stopped %s', async (_, claim) => {
    bootClass = 'installer';
    site.routes = (heard) => (heard.path === '/node/7/bootenv-local' ? { status: 204, hold: new Promise(() => undefined) } : routes(heard));
    await powerUp();
    await waitFor(() => site.requests('POST /node/7/bootenv-local').length === 1, { what: 'the callback' });
    await rack?.close();
    site.routes = (heard) => (heard.path === '/node/7/installing' ? { status: claim, json: { code: 'install-not-open' } } : routes(heard));
    const scripts = () => site.heard.filter((heard) => heard.path.startsWith('/boot/ipxe/')).length;
    const before = scripts();
    const machine = await powerUp();
    await waitFor(isRunning(machine), { what: 'the installed agent' });
    expect([scripts() - before, machine.counters.installs, machine.counters.failedBoots]).toEqual([1, 1, 0]);
    const calls = site.requests('POST /node/7/bootenv-local');
    expect(calls[1]?.token).toBe(calls[0]?.token);
  });

  it('loses an installation with its power', async () => {
    bootClass = 'installer';
    site.routes = (heard) => (heard.path === '/node/7/bootenv-local' ? { status: 204, hold: new Promise(() => undefined) } : routes(heard));
    const machine = await powerUp();
    await waitFor(() => site.requests('POST /node/7/bootenv-local').length === 1, { what: 'the callback' });
    await power({ action: 'off' });
    bootClass = 'local';
    await power({ action: 'on' });
    await waitFor(() => machine.counters.failedBoots > 0, { what: 'the failed boot' });
    expect(events).toContainEqual(expect.objectContaining({ detail: 'no-system-on-disk: No bootable device' }));
    expect(site.requests('POST /node/7/bootenv-local')).toHaveLength(1);
  });

  it('fails a boot from an empty disk, shows it, and starts over', async () => {
    bootClass = 'local';
    const machine = await powerUp();
    await waitFor(() => machine.counters.failedBoots >= 2, { what: 'two failed boots' });
    expect(events).toContainEqual(expect.objectContaining({ phase: 'failed', detail: 'no-system-on-disk: No bootable device' }));
    bootClass = 'discovery';
    await waitFor(isRunning(machine), { what: 'the agent' });
  });

  it('gives up a boot after four unanswered DISCOVERs and boots when DHCP is back', async () => {
    site.dhcpAnswers = false;
    const machine = await powerUp({ timing: { dhcpTimeoutsMs: [10, 10, 10, 10] } });
    await waitFor(() => machine.counters.failedBoots === 1, { what: 'the failed boot' });
    expect(machine.status).toMatchObject({ phase: 'failed', detail: expect.stringContaining('no-offer') as unknown });
    expect(site.dhcpTypes.slice(0, 4)).toEqual([1, 1, 1, 1]);
    site.dhcpAnswers = true;
    await waitFor(isRunning(machine), { what: 'the agent' });
  });

  it('hangs in its setup, as OVMF does, when a script ends with success on UEFI', async () => {
    site.script = () => '#!ipxe\nexit';
    const machine = await powerUpOnly(3);
    await waitFor(() => machine.counters.failedBoots > 0, { what: 'the failed boot' });
    expect(events).toContainEqual(expect.objectContaining({ detail: expect.stringContaining('OVMF opens its setup') as unknown }));
  });

  it('boots its disk from an EFI boot manager that a script chains', async () => {
    bootClass = 'installer';
    site.script = (mac) => (bootClass === 'local' ? `#!ipxe\nchain --autofree ${site.base}/boot/files/local.efi || exit 1` : script(mac));
    const machine = await powerUpOnly(3);
    await waitFor(isRunning(machine), { what: 'the installed agent' });
    expect(site.requests('GET /boot/files/local.efi')).toHaveLength(1);
  });

  it('asks for its script again as often as it is told to wait', async () => {
    let waits = 2;
    site.script = (mac) => (waits-- > 0 ? `#!ipxe\n:again\nsleep 0\nchain --replace ${site.base}/boot/ipxe/${mac} || goto again` : script(mac));
    const machine = await powerUp();
    await waitFor(isRunning(machine), { what: 'the agent' });
    expect(machine.counters.boots).toBe(1);
  });

  it('does not run a loader of the other firmware', async () => {
    site.loader = 'snponly.efi';
    const machine = await powerUp();
    await waitFor(() => machine.counters.failedBoots > 0, { what: 'the failed boot' });
    expect(events).toContainEqual(expect.objectContaining({ detail: 'wrong-loader: bios firmware cannot run snponly.efi' }));
  });

  it('announces itself again, in the same boot, when its agent token is refused', async () => {
    let refusals = 1;
    site.routes = (heard) => (heard.path === '/node/7/work' && refusals-- > 0 ? { status: 401, json: { code: 'token-refused' } } : routes(heard));
    const machine = await powerUp();
    await waitFor(() => site.requests('POST /node/facts').length === 2, { what: 'the second announcement' });
    const [first, second] = site.requests('POST /node/facts');
    expect(second?.body['boot_id']).toBe(first?.body['boot_id']);
    expect(machine.counters.boots).toBe(1);
  });

  it('reboots when its work says so', async () => {
    work = [{ kind: 'reboot' }];
    const machine = await powerUp();
    await waitFor(() => site.requests('POST /node/facts').length === 2, { what: 'the second boot' });
    const [first, second] = site.requests('POST /node/facts');
    expect(second?.body['boot_id']).not.toBe(first?.body['boot_id']);
    expect(machine.counters.boots).toBe(2);
  });
});

describe('its agent', () => {
  const offer = (text: string, more = {}) => ({
    kind: 'script',
    run_id: 5,
    fence: 2,
    script: text,
    env: { WHO: 'you' },
    timeout_seconds: 60,
    lease_seconds: 30,
    ...more,
  });

  it('sends the log in chunks, then the exit status and the wall, under the fence', async () => {
    work = [offer('echo a $WHO\necho b\n# sim: sleep 0.01\necho c\n# sim: wall {"key":1}\n# sim: exit 3')];
    await powerUp();
    await waitFor(() => site.requests('POST /node/7/runs/5/result').length === 1, { what: 'the result' });
    expect(site.requests('POST /node/7/runs/5/log').map((heard) => heard.body)).toEqual([
      { fence: 2, seq: 1, text: 'a you\nb\n' },
      { fence: 2, seq: 2, text: 'c\n' },
    ]);
    expect(site.requests('POST /node/7/runs/5/result')[0]?.body).toEqual({ fence: 2, exit_status: 3, wall: { key: 1 } });
  });

  it('renews its lease while a script runs', async () => {
    work = [offer('# sim: sleep 30', { lease_seconds: 0.06 })];
    await powerUp();
    await waitFor(() => site.requests('POST /node/7/runs/5/renew').length >= 2, { what: 'two renewals' });
    expect(site.requests('POST /node/7/runs/5/renew')[0]?.body).toEqual({ fence: 2 });
  });

  it('drops a script whose fence has moved on, and asks for work again', async () => {
    site.routes = (heard) => (heard.path.endsWith('/renew') ? { status: 409, json: { code: 'stop' } } : routes(heard));
    work = [offer('# sim: sleep 30\necho never', { lease_seconds: 0.06 })];
    await powerUp();
    await waitFor(() => site.requests('POST /node/7/work').length === 2, { what: 'the next poll' });
    expect(site.requests('POST /node/7/runs/5/result')).toEqual([]);
  });

  it('ends a script that runs out of its time with status 124', async () => {
    work = [offer('# sim: sleep 30', { timeout_seconds: 0.02 })];
    await powerUp();
    await waitFor(() => site.requests('POST /node/7/runs/5/result').length === 1, { what: 'the result' });
    expect(site.requests('POST /node/7/runs/5/result')[0]?.body).toEqual({ fence: 2, exit_status: 124 });
  });

  it('sends a result again until it is answered', async () => {
    let silences = 2;
    site.routes = (heard) => (heard.path.endsWith('/result') && silences-- > 0 ? { status: 503, json: {} } : routes(heard));
    work = [offer('true')];
    await powerUp();
    await waitFor(() => site.requests('POST /node/7/runs/5/result').length === 3, { what: 'the third result' });
  });
});

describe('its power switch', () => {
  it('kills the machine at once: off ends every connection and nothing is sent afterwards', async () => {
    const machine = await powerUp();
    await waitFor(() => site.requests('POST /node/7/work').length === 1, { what: 'the long poll' });
    expect(await power({ action: 'off' })).toEqual({ status: 200, body: { power: 'off', next_boot: null } });
    const heard = site.heard.length;
    expect(machine.status).toMatchObject({ phase: 'off', power: 'off', node: null });
    expect(await power({ action: 'on' })).toMatchObject({ body: { power: 'on' } });
    await waitFor(isRunning(machine), { what: 'the agent' });
    expect(site.heard.slice(heard)[0]).toMatchObject({ path: expect.stringContaining('/boot/ipxe/') as unknown });
  });

  it('cycles through off to on, and turns on what was off', async () => {
    const machine = await powerUp();
    await waitFor(isRunning(machine), { what: 'the agent' });
    expect(await power({ action: 'cycle' })).toMatchObject({ body: { power: 'off' } });
    await waitFor(isRunning(machine), { what: 'the agent after the cycle' });
    await power({ action: 'off' });
    await power({ action: 'cycle' });
    await waitFor(isRunning(machine), { what: 'the agent after a cycle from off' });
    expect(machine.counters.boots).toBe(3);
  });

  it('takes a one-shot boot device: disk goes past the network, once', async () => {
    bootClass = 'installer';
    const machine = await powerUp();
    await waitFor(isRunning(machine), { what: 'the installed agent' });
    const scripts = () => site.heard.filter((heard) => heard.path.startsWith('/boot/ipxe/')).length;
    const before = scripts();
    expect(await power({ action: 'off', next_boot: 'disk' })).toMatchObject({ body: { next_boot: 'disk' } });
    await power({ action: 'on', next_boot: null });
    await waitFor(isRunning(machine), { what: 'the agent from the disk' });
    expect([scripts(), machine.status.next_boot]).toEqual([before, null]);
  });

  it('keeps a machine off over a restart of the rack', async () => {
    await powerUp();
    await power({ action: 'off' });
    await rack?.close();
    const machine = await powerUp();
    expect(machine.status).toMatchObject({ power: 'off', phase: 'off' });
  });

  it.each([
    ['a wrong password', undefined, 'SIM0001', false, 401],
    ['an unknown machine', undefined, 'SIM9999', true, 404],
    ['an unknown action', { action: 'explode' }, 'SIM0001/power', true, 400],
    ['an unknown field', { action: 'on', force: true }, 'SIM0001/power', true, 400],
    ['what is not JSON', '{', 'SIM0001/power', true, 400],
    ['a POST to the status', { action: 'on' }, 'SIM0001', true, 405],
    ['a GET of the button', undefined, 'SIM0001/power', true, 405],
  ])('refuses %s', async (_, body, what, authorized, status) => {
    await openRack();
    expect((await power(body, what, authorized)).status).toBe(status);
  });
});

describe('a rack', () => {
  it('boots all its machines, a bounded number of them at once', async () => {
    const opened = await openRack({ nodes: 12, bootsAtOnce: 2 });
    let most = 0;
    opened.powerUp();
    await waitFor(
      () => {
        const booting = [...opened.machines.values()].filter((machine) => ['dhcp', 'loader', 'ipxe', 'script', 'kernel'].includes(machine.status.phase));
        most = Math.max(most, booting.length);
        return [...opened.machines.values()].every((machine) => machine.status.phase === 'running');
      },
      { what: 'twelve agents', everyMs: 1 },
    );
    expect(most).toBeLessThanOrEqual(2);
    expect(opened.countersEvent()).toMatchObject({ complete: 12, of: 12, totals: { boots: 12, dhcpAcks: 24, tftpFiles: 12, complaints: 0 } });
    expect(phases().filter((phase) => phase === 'failed')).toEqual([]);
  });
});
