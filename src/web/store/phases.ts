/**
 * The boot of a machine in steps. Operators of such systems complain most that a boot stops silently and nobody says where:
 * so every phase has a place in the sequence and a time after which silence is worth a word.
 */

export interface Phase {
  readonly word: string;
  /** What the machine does in it, for hover and the side panel. */
  readonly meaning: string;
  /** Place in the boot, 0 to PHASE_STEPS. */
  readonly step: number;
  /** The boot has come to rest here: silence is normal. */
  readonly rests: boolean;
  /** Seconds of silence after which we say so; three times what slow firmware needs. */
  readonly patienceSeconds: number;
}

export const PHASE_STEPS = 6;

const PHASES: Readonly<Record<string, Phase>> = {
  unseen: { word: 'unseen', meaning: 'no packet from it yet', step: 0, rests: true, patienceSeconds: 0 },
  off: { word: 'off', meaning: 'powered off', step: 0, rests: true, patienceSeconds: 0 },
  dhcp: { word: 'dhcp', meaning: 'asked for an address', step: 1, rests: false, patienceSeconds: 60 },
  tftp: { word: 'tftp', meaning: 'fetches its loader', step: 2, rests: false, patienceSeconds: 90 },
  ipxe: { word: 'ipxe', meaning: 'the loader asks what to boot', step: 3, rests: false, patienceSeconds: 60 },
  kernel: { word: 'kernel', meaning: 'fetched a kernel and starts it', step: 4, rests: false, patienceSeconds: 240 },
  agent: { word: 'agent', meaning: 'its agent is at work', step: 6, rests: true, patienceSeconds: 0 },
  installing: { word: 'installing', meaning: 'the installer writes its disk', step: 5, rests: false, patienceSeconds: 2400 },
  installed: { word: 'installed', meaning: 'installed, about to boot its disk', step: 5, rests: false, patienceSeconds: 600 },
  disk: { word: 'disk', meaning: 'runs from its own disk', step: 6, rests: true, patienceSeconds: 0 },
};

/** Any name the server may send: an unknown phase is shown as it is called, without a place in the sequence. */
export function phaseOf(name: string): Phase {
  return PHASES[name] ?? { word: name, meaning: name, step: 0, rests: true, patienceSeconds: 0 };
}

/** Seconds a boot has been silent when that is longer than its phase should take, else null. */
export function silentSeconds(name: string, phaseAt: number | null, now: number): number | null {
  const phase = phaseOf(name);
  if (phase.rests || phaseAt === null) return null;
  const silent = Math.floor((now - phaseAt) / 1000);
  return silent > phase.patienceSeconds ? silent : null;
}
