/**
 * PURE: the steps of a boot as they are seen from our servers, and what each is called. One row of `boot_events` is one step;
 * text and facts come from the machine and are escaped where they are shown (attack 7). Reading order of this folder:
 * steps.ts (the words), attempts.ts (which steps are one boot), evidence.ts (all that is known), causes-*.ts (the table of
 * causes), diagnose.ts (the verdict), gather.ts (reads the evidence). Nothing here changes anything.
 */

/** One thing seen. `facts` are what the server that saw it wrote down besides. */
export type BootStep = {
  readonly id: number;
  readonly mac: string;
  readonly at: Date;
  readonly kind: string;
  readonly text: string;
  readonly facts: Readonly<Record<string, unknown>>;
};

/** How a step is shown: went on, only said something, or went wrong. */
export type StepTone = 'good' | 'plain' | 'bad';

/**
 * How far a boot is. The firmware asks, gets its loader, the loader asks, gets its script, then a kernel; the kernel asks,
 * and what it runs reports. Higher is later; only the order matters.
 */
export const Stage = {
  power: 0,
  firmwareAsks: 1,
  firmwareLeased: 2,
  loaderBegun: 3,
  loaderServed: 4,
  loaderAsks: 5,
  loaderLeased: 6,
  script: 7,
  kernel: 8,
  systemAsks: 9,
  systemLeased: 10,
  answers: 11,
  reported: 12,
} as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

const STAGE_WORDS: readonly string[] = [
  'power',
  'firmware asks for an address',
  'firmware has an address',
  'loader on its way',
  'loader fetched',
  'loader asks for an address',
  'loader has an address',
  'script fetched',
  'kernel fetched',
  'system asks for an address',
  'system has an address',
  'answers fetched',
  'reported',
];

/** A stage in words. */
export function stageName(stage: Stage): string {
  return STAGE_WORDS[stage] ?? String(stage);
}

type Words = { title: string; tone: StepTone };

/** Every kind that is written, with its words. A kind from a newer version is shown by its own name. */
const WORDS: Readonly<Record<string, Words>> = {
  'power-on': { title: 'power on', tone: 'plain' },
  'power-off': { title: 'power off', tone: 'plain' },
  'power-cycle': { title: 'power cycle', tone: 'plain' },
  'dhcp-discover': { title: 'DISCOVER seen', tone: 'plain' },
  'dhcp-offer': { title: 'OFFER sent', tone: 'good' },
  'dhcp-request': { title: 'REQUEST seen', tone: 'plain' },
  'dhcp-ack': { title: 'ACK sent', tone: 'good' },
  'dhcp-nak': { title: 'NAK sent', tone: 'bad' },
  'dhcp-decline': { title: 'DECLINE seen', tone: 'bad' },
  'dhcp-release': { title: 'RELEASE seen', tone: 'plain' },
  'dhcp-inform': { title: 'INFORM seen', tone: 'plain' },
  'dhcp-bootp': { title: 'BOOTP request seen', tone: 'plain' },
  'dhcp-proxy-offer': { title: 'proxy OFFER sent', tone: 'good' },
  'dhcp-ignored': { title: 'not answered', tone: 'bad' },
  'tftp-start': { title: 'TFTP start', tone: 'plain' },
  'tftp-progress': { title: 'TFTP', tone: 'plain' },
  'tftp-probe': { title: 'TFTP size probe', tone: 'plain' },
  'tftp-done': { title: 'TFTP done', tone: 'good' },
  'tftp-failed': { title: 'TFTP stopped', tone: 'bad' },
  'tftp-missing': { title: 'TFTP: no such file', tone: 'bad' },
  'tftp-refused': { title: 'TFTP refused', tone: 'bad' },
  'tls-failed': { title: 'TLS failed', tone: 'bad' },
  'http-loader': { title: 'loader served', tone: 'good' },
  'http-script': { title: 'script served', tone: 'good' },
  'http-kernel': { title: 'kernel served', tone: 'good' },
  'http-initrd': { title: 'initrd served', tone: 'good' },
  'http-answers': { title: 'installer fetched its answers', tone: 'good' },
  'http-missing': { title: 'HTTP: no such file', tone: 'bad' },
  'http-broken': { title: 'HTTP broken off', tone: 'bad' },
  'http-failed': { title: 'HTTP: not available', tone: 'bad' },
  facts: { title: 'agent alive', tone: 'good' },
  installing: { title: 'disk claimed', tone: 'good' },
  installed: { title: 'installation complete', tone: 'good' },
  'installed-unproven': { title: 'installation said to be complete, unproven', tone: 'plain' },
  'disk-boot': { title: 'booted from its disk', tone: 'good' },
  'token-refused': { title: 'token refused', tone: 'bad' },
};

/** The words of a step. */
export function describeStep(step: Pick<BootStep, 'kind' | 'text' | 'facts'>): Words {
  if (step.kind === 'dhcp-ignored' && step.text.endsWith('other-server')) return { title: 'REQUEST for another server', tone: 'bad' };
  if (step.kind === 'dhcp-discover' && step.facts['port'] === 4011) return { title: 'asks on port 4011', tone: 'plain' };
  if (step.kind === 'http-script' && step.facts['answer'] === 'wait') return { title: 'told to wait', tone: 'bad' };
  return WORDS[step.kind] ?? { title: step.kind, tone: 'plain' };
}

/** The program that sent a DHCP message: `pxe`, `http` (firmware), `ipxe` (loader) or `other` (a system). */
export function askerOf(step: BootStep): string | undefined {
  const stage = step.facts['stage'];
  return typeof stage === 'string' ? stage : undefined;
}

const FIXED: Readonly<Record<string, Stage>> = {
  'power-on': Stage.power,
  'power-off': Stage.power,
  'power-cycle': Stage.power,
  'tftp-start': Stage.loaderBegun,
  'tftp-progress': Stage.loaderBegun,
  'tftp-probe': Stage.loaderBegun,
  'tftp-failed': Stage.loaderBegun,
  'tftp-missing': Stage.loaderBegun,
  'tftp-done': Stage.loaderServed,
  'http-loader': Stage.loaderServed,
  'http-script': Stage.script,
  'http-kernel': Stage.kernel,
  'http-initrd': Stage.kernel,
  'http-answers': Stage.answers,
  facts: Stage.reported,
  installing: Stage.reported,
  installed: Stage.reported,
  'installed-unproven': Stage.reported,
  'disk-boot': Stage.reported,
};

/** How far a step proves the boot to be; undefined for a step that proves nothing (a refusal, a release). */
export function stageOf(step: BootStep): Stage | undefined {
  const fixed = FIXED[step.kind];
  if (fixed !== undefined) return fixed;
  const asker = askerOf(step);
  if (asker === undefined) return undefined;
  const isLeased = step.kind === 'dhcp-ack';
  const isAsking = ['dhcp-discover', 'dhcp-offer', 'dhcp-request', 'dhcp-proxy-offer', 'dhcp-bootp'].includes(step.kind);
  if (!isLeased && !isAsking) return undefined;
  if (asker === 'ipxe') return isLeased ? Stage.loaderLeased : Stage.loaderAsks;
  if (asker === 'other') return isLeased ? Stage.systemLeased : Stage.systemAsks;
  return isLeased ? Stage.firmwareLeased : Stage.firmwareAsks;
}
