/**
 * The faults the boot doctor is tried against: what is broken, on which machine, when enough was seen, and the cause that
 * must be named first. `null`: nothing is wrong, and nothing may be named.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { recordNodeStep } from '../../src/nodes/phase.js';
import { addLaggingServer, type FaultSite, type FaultyMachine, type MachineWish } from './fault-site.js';
import type { BootStep } from '../../src/bootwatch/steps.js';

export type Fault = {
  /** What is broken, as an operator would find out in the end. */
  what: string;
  cause: string | null;
  wish: Omit<MachineWish, 'number'>;
  /** Before it is switched on. */
  before?: (site: FaultSite, machine: FaultyMachine) => Promise<void>;
  /** When enough was seen; the machine is stopped then. */
  until: (steps: BootStep[]) => boolean;
  /** How long after that the operator asks, seconds. */
  later?: number;
  /** Another machine that plays a part. */
  twin?: Omit<MachineWish, 'number'>;
  /** Needs half a minute: left to `npm run e2e`. */
  isSlow?: boolean;
};

const count = (kind: string, wanted: number) => (steps: BootStep[]) => steps.filter((step) => step.kind === kind).length >= wanted;
const has = (kind: string) => count(kind, 1);
const leased = (stage: string) => (steps: BootStep[]) => steps.some((step) => step.kind === 'dhcp-ack' && step.facts['stage'] === stage);
const power =
  (kind: string) =>
  async (site: FaultSite, { nodeId }: FaultyMachine) =>
    recordNodeStep(site.db, nodeId ?? 0, { kind, phase: null, detail: 'next boot: pxe', at: new Date(), data: { next_boot: 'pxe' } });
const node = { bootenv: 'discovery' };

async function addBmc(site: FaultSite, machine: FaultyMachine, state: string): Promise<void> {
  await site.db.pool.query(`INSERT INTO bmcs (node_id, driver, address, port, power) VALUES ($1, 'simulated', '127.0.0.1', 623, $2)`, [machine.nodeId, state]);
}

export const FAULTS: Fault[] = [
  { what: 'nothing', cause: null, wish: {}, until: has('facts') },
  { what: 'a bad cable that loses 15 % of the packets', cause: null, wish: { loss: 0.15 }, until: has('facts'), isSlow: true },
  {
    what: 'PXE is switched off in the firmware',
    cause: 'no-discover',
    wish: { ...node, quirks: { dead: true } },
    before: power('power-on'),
    until: has('power-on'),
  },
  {
    what: 'the disk is first in the boot order',
    cause: 'booted-from-disk',
    wish: { ...node, quirks: { diskFirst: true } },
    before: power('power-cycle'),
    until: leased('other'),
  },
  {
    what: 'somebody has switched it off',
    cause: 'powered-off',
    wish: { ...node, quirks: { dead: true } },
    async before(site, machine) {
      await addBmc(site, machine, 'off');
      await power('power-off')(site, machine);
    },
    until: has('power-off'),
  },
  { what: 'its network is switched off', cause: 'network-off', wish: { network: 'off' }, until: has('dhcp-ignored') },
  { what: 'a relay that nobody told us of', cause: 'unknown-network', wish: { relay: '127.99.0.1' }, until: has('dhcp-ignored') },
  { what: 'no reservation where one is needed', cause: 'no-reservation', wish: { network: 'reserved' }, until: has('dhcp-ignored') },
  { what: 'a pool of one address that is taken', cause: 'pool-exhausted', wish: { network: 'full' }, until: has('dhcp-ignored') },
  { what: 'too many unknown machines', cause: 'quota-reached', wish: { network: 'quota' }, until: has('dhcp-ignored') },
  { what: 'a network left to a server that is gone', cause: 'left-to-others', wish: { network: 'late' }, until: has('dhcp-ignored') },
  { what: 'a rival DHCP server', cause: 'rival-server', wish: { quirks: { chooses: '127.9.9.9' } }, until: count('dhcp-ignored', 2) },
  { what: 'broadcasts are filtered on the way back', cause: 'offer-ignored', wish: { quirks: { dropsOffers: 'all' } }, until: count('dhcp-offer', 2) },
  {
    what: 'a ROM that looks at no proxy offer',
    cause: 'proxy-offer-ignored',
    wish: { network: 'proxied', quirks: { dropsOffers: 'all' } },
    until: count('dhcp-offer', 2),
  },
  {
    what: 'a ROM that drops offers with option 252',
    cause: 'option-refused',
    wish: { ...node, options: { '252': '687474703a' }, quirks: { dropsOffers: 252 } },
    until: count('dhcp-offer', 2),
  },
  {
    what: 'options that fill a packet of 576 bytes',
    cause: 'option-too-long',
    wish: { ...node, options: { '224': 'ab'.repeat(250), '225': 'cd'.repeat(250) }, quirks: { maximumMessageBytes: 576, dropsOffers: 'all' } },
    until: count('dhcp-offer', 2),
  },
  { what: 'another machine uses its address', cause: 'address-conflict', wish: { quirks: { declines: true } }, until: has('dhcp-decline') },
  { what: 'firmware that insists on an old address', cause: 'address-refused', wish: { quirks: { insistsOn: '127.77.63.1' } }, until: count('dhcp-nak', 2) },
  { what: 'a PowerPC', cause: 'no-loader-for-architecture', wish: { quirks: { architecture: 12 } }, until: leased('pxe') },
  {
    what: 'a 32-bit UEFI whose loader was never fetched',
    cause: 'loader-missing',
    wish: { firmware: 'uefi', quirks: { architecture: 6 } },
    until: has('tftp-missing'),
  },
  {
    what: 'a boot file set by hand, for the other firmware',
    cause: 'wrong-loader',
    wish: { ...node, options: { 'bootfile-name': 'snponly.efi' }, quirks: { loader: 'hangs' } },
    until: has('tftp-done'),
  },
  { what: 'Secure Boot', cause: 'secure-boot', wish: { firmware: 'uefi', quirks: { loader: 'refused' } }, until: has('tftp-done') },
  { what: 'a loader without a driver for the NIC', cause: 'loader-dies', wish: { quirks: { loader: 'hangs' } }, until: has('tftp-done') },
  { what: 'a loader that does not say it is iPXE', cause: 'second-stage-loop', wish: { quirks: { loader: 'unnamed' } }, until: count('tftp-done', 3) },
  { what: 'a filter that drops TFTP requests', cause: 'loader-not-fetched', wish: { quirks: { tftpBlocked: 'requests' } }, until: leased('pxe') },
  { what: 'a filter that drops TFTP answers', cause: 'tftp-unanswered', wish: { quirks: { tftpBlocked: 'answers' } }, until: has('tftp-failed') },
  { what: 'a path with an MTU of 600', cause: 'tftp-fragmented', wish: { quirks: { largestDatagram: 600 } }, until: has('tftp-failed'), isSlow: true },
  { what: 'a cable that fails after 30 kB', cause: 'tftp-loss', wish: { quirks: { tftpDiesAfter: 30_000 } }, until: has('tftp-failed'), isSlow: true },
  { what: 'a filter that drops HTTP', cause: 'script-not-fetched', wish: { quirks: { httpBlocked: 'all' } }, until: leased('ipxe') },
  { what: 'a filter that drops large HTTP answers', cause: 'kernel-not-fetched', wish: { quirks: { httpBlocked: 'files' } }, until: has('http-script') },
  { what: 'a bootenv without its kernel', cause: 'bootenv-unavailable', wish: { bootenv: 'rocky-9' }, until: has('http-script') },
  {
    what: 'a kernel that was deleted while we ran',
    cause: 'kernel-missing',
    wish: { bootenv: 'ubuntu-24.04' },
    before: (site) => rm(path.join(site.home, 'images', 'ubuntu-24.04'), { recursive: true }),
    until: has('http-missing'),
  },
  {
    what: 'a cable that fails within the kernel',
    cause: 'kernel-broken-off',
    wish: { bootenv: 'maintenance', quirks: { httpDiesAfter: 200_000 } },
    until: has('http-broken'),
  },
  { what: 'a kernel without a driver for the NIC', cause: 'kernel-silent', wish: { quirks: { kernel: 'no-nic' } }, until: has('http-initrd') },
  {
    what: 'a system that asks on the wrong NIC',
    cause: 'system-without-lease',
    wish: { quirks: { kernel: 'no-lease' } },
    until: (steps) => count('dhcp-offer', 4)(steps),
  },
  { what: 'a filter that drops POST', cause: 'callback-blocked', wish: { quirks: { kernel: 'mute' } }, until: leased('other') },
  {
    what: 'a Debian installer on a network without DNS',
    cause: 'installer-without-dns',
    wish: { bootenv: 'debian-12', network: 'nodns', quirks: { needsDns: true } },
    until: leased('other'),
  },
  {
    what: 'an installer that cannot reach its answers',
    cause: 'answers-not-fetched',
    wish: { bootenv: 'debian-12', quirks: { kernel: 'mute' } },
    until: leased('other'),
  },
  { what: 'a token of another boot', cause: 'token-refused', wish: { quirks: { token: randomBytes(32).toString('base64url') } }, until: has('token-refused') },
  {
    what: 'two machines with one MAC',
    cause: 'two-machines-one-mac',
    wish: { quirks: { loader: 'hangs' } },
    twin: { quirks: { loader: 'hangs', uuid: '4c4c4544-0051-3510-8052-b9c04f4e3332' } },
    until: count('tftp-done', 2),
  },
  {
    what: 'a disk that does not boot',
    cause: 'disk-does-not-boot',
    wish: { bootenv: 'local', isLooping: true, quirks: { badDisk: true } },
    until: count('http-script', 3),
  },
  {
    what: 'a cable in the wrong switch port',
    cause: 'wrong-network',
    wish: { ...node, network: 'quota', quirks: { dropsOffers: 'all' } },
    before: async (site, { identity, nodeId }) =>
      void (await site.db.pool.query(
        `INSERT INTO reservations (network_id, address, mac, node_id) SELECT id, '127.81.0.50', $1, $2 FROM networks WHERE name = 'reserved'`,
        [identity.mac, nodeId],
      )),
    until: (steps) => steps.some((step) => step.kind === 'dhcp-ignored' || step.kind === 'dhcp-offer'),
  },
  {
    what: 'a second boot server that lags',
    cause: 'not-confirmed',
    wish: { ...node, quirks: { dead: true } },
    before: async (site) => void (await addLaggingServer(site.db)),
    until: () => true,
    later: 0,
  },
  {
    what: 'a network without an IPv6 router',
    cause: 'waits-for-router',
    wish: { quirks: { waitsForRouterMs: 11_000 } },
    until: (steps) => has('facts')(steps) && has('http-script')(steps),
    isSlow: true,
  },
];
