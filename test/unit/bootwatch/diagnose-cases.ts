/** Evidence from few words, and a case for each cause that the seeded faults do not reach or only in half a minute. */
import { splitAttempts } from '../../../src/bootwatch/attempts.js';
import type { Evidence, NetworkEvidence, NodeEvidence } from '../../../src/bootwatch/evidence.js';
import type { BootStep } from '../../../src/bootwatch/steps.js';
import { asks, instant, leases, loader, MAC, step, toKernel, toScript } from './step-builders.js';

export const NODE: NodeEvidence = {
  name: 'n1',
  alive: false,
  bootenv: 'discovery',
  waitingFor: [],
  power: { state: 'on', lastError: null },
  secureBoot: undefined,
  nics: [{ mac: MAC, carrier: undefined, lldp: undefined }],
  bootDevice: undefined,
};
export const NETWORK: NetworkEvidence = { name: 'rack', mode: 'authoritative', hasDns: true, quietRa: false, isReserved: false };

/** Everything in order, and these steps; asked so many seconds after the beginning. */
export function evidence(steps: BootStep[], seconds: number, more: Partial<Evidence> = {}): Evidence {
  return {
    now: instant(seconds),
    mac: MAC,
    attempts: splitAttempts(steps),
    node: NODE,
    network: NETWORK,
    installers: new Set(['debian-12']),
    servers: { dhcp: 1, tftp: 1, http: 1 },
    usualSecondsToDiscover: null,
    ...more,
  };
}
export const node = (more: Partial<NodeEvidence>) => ({ node: { ...NODE, ...more } });
export const TFTP = { file: 'undionly.kpxe', size: 70_000, block_bytes: 1432, window_blocks: 4, silent: true, answered: true };

/** Cause, steps, when it is asked, what else is known. */
export const CASES: [string, BootStep[], number, Partial<Evidence>?][] = [
  ['bmc-fails', [step('power-on', 0)], 400, node({ power: { state: 'unknown', lastError: 'RAKP 2 HMAC is invalid' } })],
  ['no-boot-server', asks('pxe', 0), 60, { servers: { dhcp: 0, tftp: 1, http: 1 } }],
  ['database-away', [...asks('pxe', 0), step('dhcp-ack', 1, { stage: 'pxe', reason: 'boot files withheld: no contact to the database' })], 5],
  ['http-boot-class', [...asks('http', 0, { own_options: [60] }), ...asks('http', 4, { own_options: [60] })], 60],
  ['tftp-fragmented', [...leases('pxe', 0), step('tftp-start', 1, TFTP), step('tftp-failed', 32, { ...TFTP, bytes: 0, retransmits: 5 })], 60],
  ['tftp-loss', [...leases('pxe', 0), step('tftp-start', 1, TFTP), step('tftp-failed', 40, { ...TFTP, bytes: 28_640, retransmits: 9 })], 60],
  ['tls-failed', [...leases('pxe', 0), ...loader(1), ...leases('ipxe', 3), step('tls-failed', 4, {}, 'unknown ca')], 60],
  ['boot-http-unavailable', [...leases('pxe', 0), ...loader(1), ...leases('ipxe', 3), step('http-failed', 4)], 60],
  ['address-not-leased', toScript(0, { answer: 'wait', waits: 'lease' }), 60],
  ['parked', toScript(0, { answer: 'boot', bootenv: 'maintenance', parked: 'netboot-while-installing' }), 10],
  ['installation-stalls', [...toKernel(0, 'debian-12'), ...leases('other', 60), step('http-answers', 70), step('installing', 90)], 8000],
  [
    'slow-transfer',
    [...leases('pxe', 0), step('tftp-start', 1, TFTP), step('tftp-done', 90, { ...TFTP, bytes: 70_000, retransmits: 400 }), ...leases('ipxe', 92)],
    95,
  ],
  [
    'waits-for-router',
    [
      ...leases('pxe', 0),
      ...loader(1),
      ...leases('ipxe', 3),
      step('http-script', 16, { answer: 'boot' }),
      step('http-kernel', 17),
      ...leases('other', 30),
      step('facts', 40),
    ],
    41,
    node({ alive: true }),
  ],
];
