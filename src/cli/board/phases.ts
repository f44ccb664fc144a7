import type { Tone } from '../terminal/look.js';

/** The phases of a boot, in the order a machine goes through them. */
export const PHASES: readonly string[] = ['unseen', 'off', 'dhcp', 'tftp', 'ipxe', 'script', 'kernel', 'agent', 'installing', 'installed', 'disk'];

const TONES: Record<string, Tone> = {
  unseen: 'faint',
  off: 'faint',
  dhcp: 'boot',
  tftp: 'boot',
  ipxe: 'boot',
  script: 'boot',
  kernel: 'boot',
  agent: 'active',
  installing: 'running',
  installed: 'running',
  disk: 'active',
};

/** The tone of a boot phase; one this version does not know is plain. */
export function phaseTone(phase: string): Tone {
  return TONES[phase] ?? 'plain';
}

/** How many there are of each phase, in the phases' order, unknown ones last. Phases without any are left out. */
export function countPhases(rows: readonly { phase: string }[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { phase } of rows) counts.set(phase, (counts.get(phase) ?? 0) + 1);
  const place = (phase: string): number => (PHASES.includes(phase) ? PHASES.indexOf(phase) : PHASES.length);
  return [...counts].sort(([a], [b]) => place(a) - place(b) || a.localeCompare(b));
}
