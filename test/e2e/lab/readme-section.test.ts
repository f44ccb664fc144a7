/**
 * README, "Beside an existing DHCP server", command by command: dnsmasq gives addresses and knows nothing of booting, `npm start`
 * runs beside it as the section says, a machine is switched on, and `npx prybar nodes list` has it.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { ensureTools } from '../../../scripts/lib/debian-tools.mjs';
import { inProject } from '../../../scripts/lib/project.mjs';
import { waitFor } from '../../support/wait-for.js';
import { Installation, type Running } from '../support/installation.js';
import { mustRunIn, startIn, type Background } from './support/command.js';
import { powerOn, whyNoEmulator, type EmulatedMachine } from './support/emulator.js';
import { addDiscoveryImage } from './support/images.js';
import { whyNoWorld, World, type Port } from './support/world.js';

const MAC = '52:54:00:77:03:01';
/** Seconds of a busy machine; an idle one needs 13. */
const BOOT_MS = 180_000;

let reason: string | undefined;
let world: World;
let ours: Port;
let other: Background;
let installation: Installation;
let running: Running | undefined;
let machine: EmulatedMachine | undefined;

/** What the section says to type; the words of the shell around them are ours. */
const section = /## Beside an existing DHCP server\n(.*?)\n## /s.exec(readFileSync(inProject('README.md'), 'utf8'))?.[1] ?? '';

beforeAll(async () => {
  reason = (await whyNoWorld()) ?? (await whyNoEmulator());
  if (reason !== undefined) {
    process.stderr.write(`left out: the section of the README beside an existing DHCP server ${reason}\n`);
    return;
  }
  const { dnsmasq } = await ensureTools(['ipxe', 'dnsmasq']);
  world = await World.create();
  await world.addSegment('lan');
  ours = await world.addHost('server', 'lan', { address: '10.77.0.1/24' });
  const theirs = await world.addHost('theirs', 'lan', { address: '10.77.0.9/24' });
  const words = ['-d', '-C', '/dev/null', '--port=0', '--bind-interfaces', '-i', theirs.interface, '--leasefile-ro', '--no-ping', '--log-dhcp'];
  other = startIn(theirs.ns, [dnsmasq.path, ...words, '--dhcp-range=10.77.0.100,10.77.0.199,1h'], { env: dnsmasq.env });
  await other.said(/DHCP, IP range/);
  // Firmware asks on the ports of the RFCs; those of the other services are as they are by default in this namespace.
  installation = await Installation.create({ PRYBAR_DHCP_PORT: '67', PRYBAR_TFTP_PORT: '69' });
  await addDiscoveryImage(installation.home);
}, 400_000);
afterAll(async () => {
  if (reason !== undefined) return;
  await machine?.powerOff();
  running?.child.kill('SIGINT');
  await running?.ended(30_000).catch(() => undefined);
  await installation.close();
  await other.stop();
  await world.close();
});

it(
  'is enough to boot a machine beside a server that nobody touched',
  async () => {
    if (reason !== undefined) return;
    const typed = /^PRYBAR_DHCP_RANGE=(\S+) npm start -- (.*?) +#/m.exec(section);
    expect(typed).not.toBeNull();
    const [, range = '', args = ''] = typed ?? [];
    running = installation.start(args.replace('eth1', ours.interface).split(' '), {
      env: { PRYBAR_DHCP_RANGE: range },
      prefix: ['ip', 'netns', 'exec', ours.ns],
    });
    await running.said(/http:\/\//, 120_000);
    machine = await powerOn(world, { firmware: 'uefi', mac: MAC, segment: 'lan' });

    const prybar = (words: string) =>
      mustRunIn(ours.ns, [process.execPath, inProject('scripts/prybar.mjs'), ...words.split(' ')], {
        cwd: inProject(),
        env: { ...process.env, ...installation.env, NODE_OPTIONS: '' },
      });
    expect(section).toContain('npx prybar nodes list');
    const node = await waitFor(
      async () => {
        const { items } = JSON.parse(await prybar('nodes list --json')) as { items: { name: string; nics: { mac: string }[] }[] };
        return items.find((one) => one.nics.some((nic) => nic.mac === MAC));
      },
      { what: 'the machine to be a node', timeoutMs: BOOT_MS, everyMs: 1000 },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${machine?.console().slice(-2500) ?? ''}\n${running?.output().slice(-1500) ?? ''}\n${other.output().slice(-1500)}`);
    });
    expect(node.name).not.toBe('');
    expect(other.output()).toMatch(new RegExp(`DHCPACK.*${MAC}`));

    // The second half: the lines for a server that is pointed at us.
    await prybar(`networks set ${ours.interface} --dhcp-mode off`);
    expect(section).toContain('npx prybar dhcp snippet --for dnsmasq');
    expect(await prybar('dhcp snippet --for dnsmasq')).toContain(`dhcp-boot=tag:!prybar-ipxe,tag:prybar-efi64,snponly.efi,,10.77.0.1`);
  },
  BOOT_MS + 180_000,
);
