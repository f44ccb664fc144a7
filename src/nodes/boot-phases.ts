/**
 * PURE: the steps of a boot as the board shows them, in order. A phase is a label for people: nothing is decided by it.
 */

/** In the order of a boot; `off` and `unseen` are outside it. */
export const BOOT_PHASES = ['unseen', 'off', 'dhcp', 'tftp', 'ipxe', 'script', 'kernel', 'agent', 'installing', 'installed', 'disk'] as const;
export type BootPhase = (typeof BOOT_PHASES)[number];

/** What each phase is called on the board. */
export const BOOT_PHASE_LABELS: Record<BootPhase, string> = {
  unseen: 'not seen yet',
  off: 'powered off',
  dhcp: 'asks for an address',
  tftp: 'fetches its loader',
  ipxe: 'loader asks for an address',
  script: 'fetches its script',
  kernel: 'fetches kernel and initrd',
  agent: 'in memory, agent up',
  installing: 'installs',
  installed: 'installed, restarts',
  disk: 'runs from disk',
};

/** One thing seen of a machine's boot. Text comes from the machine; escape it where it is shown. */
export type PhaseSeen = {
  mac: string;
  /** What was seen, e.g. `dhcp-discover` or `tftp-read`: the row of the timeline. */
  kind: string;
  /** The phase it brings the machine into; null when it says nothing about it (a lease renewed by the installed system). */
  phase: BootPhase | null;
  detail: string;
  at: Date;
  /** More fields for the timeline. */
  data?: Record<string, unknown>;
};

/** The phase of a DHCP exchange by who asks: firmware, iPXE, or an operating system, whose renewals are no step of a boot. */
export function phaseOfDhcp(client: { ipxe: boolean; vendorClass: string | null }): BootPhase | null {
  if (client.ipxe) return 'ipxe';
  return /^(PXE|HTTP)Client/.test(client.vendorClass ?? '') ? 'dhcp' : null;
}
