/** Steps of a boot from few words: kind, seconds since the beginning, what else is known. */
import type { BootStep } from '../../../src/bootwatch/steps.js';

export const MAC = '52:54:00:77:00:01';
const BEGIN = Date.parse('2026-11-21T10:00:00.000Z');

/** The instant `seconds` after the beginning. */
export const instant = (seconds: number) => new Date(BEGIN + seconds * 1000);

let lastId = 0;
export function step(kind: string, seconds: number, facts: Record<string, unknown> = {}, text = ''): BootStep {
  lastId += 1;
  return { id: lastId, mac: MAC, at: instant(seconds), kind, text, facts };
}

/** DISCOVER and OFFER of a program: `pxe`, `ipxe`, `other`. */
export const asks = (stage: string, seconds: number, facts: Record<string, unknown> = {}) => [
  step('dhcp-discover', seconds, { stage, network: 'rack', ...facts }),
  step('dhcp-offer', seconds + 0.001, { stage, network: 'rack', ...facts }, '127.77.0.10, undionly.kpxe'),
];

/** The four packets of a lease. */
export const leases = (stage: string, seconds: number, facts: Record<string, unknown> = {}) => [
  ...asks(stage, seconds, facts),
  step('dhcp-request', seconds + 0.002, { stage, network: 'rack', ...facts }),
  step('dhcp-ack', seconds + 0.003, { stage, network: 'rack', ...facts }, '127.77.0.10, undionly.kpxe'),
];

const LOADER = { file: 'undionly.kpxe', size: 70_000, block_bytes: 1432, window_blocks: 4 };

/** A loader that was fetched whole. */
export const loader = (seconds: number) => [
  step('tftp-start', seconds, LOADER),
  step('tftp-done', seconds + 0.2, { ...LOADER, bytes: 70_000, retransmits: 0, answered: true }),
];

/** Everything from the firmware's first DISCOVER to the served script. */
export const toScript = (seconds: number, script: Record<string, unknown> = { bootenv: 'discovery', answer: 'boot' }) => [
  ...leases('pxe', seconds),
  ...loader(seconds + 0.1),
  ...leases('ipxe', seconds + 1),
  step('http-script', seconds + 1.2, script),
];

/** And the kernel with its initrd. */
export const toKernel = (seconds: number, bootenv = 'discovery') => [
  ...toScript(seconds, { bootenv, answer: 'boot' }),
  step('http-kernel', seconds + 1.4, { bootenv, file: `${bootenv}/vmlinuz` }),
  step('http-initrd', seconds + 1.8, { bootenv, file: `${bootenv}/initrd.img` }),
];
