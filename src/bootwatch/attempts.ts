/** PURE: which steps belong to one boot of a machine. */
import { askerOf, Stage, stageOf, type BootStep } from './steps.js';

/** One try to boot, its steps oldest first; never empty. */
export type Attempt = { readonly steps: readonly BootStep[]; readonly reached: Stage };

/** Firmware that went on asking would have asked again by then: PXE 2.1 gives up after 4 + 8 + 16 + 32 s. */
const NEW_BOOT_AFTER_MS = 120_000;

/**
 * Cuts steps, oldest first, into boots. A boot begins where the power was switched, or where firmware asks for an address
 * although the boot was further already, or after a long silence. Firmware that repeats its DISCOVER is still at the same one.
 */
export function splitAttempts(steps: readonly BootStep[]): Attempt[] {
  const attempts: BootStep[][] = [];
  let current: BootStep[] = [];
  for (const step of steps) {
    if (current.length > 0 && beginsBoot(step, current)) {
      attempts.push(current);
      current = [];
    }
    current.push(step);
  }
  if (current.length > 0) attempts.push(current);
  return attempts.map((own) => ({ steps: own, reached: reachedBy(own) }));
}

/** The latest stage that the steps prove. */
export function reachedBy(steps: readonly BootStep[]): Stage {
  let reached: Stage = Stage.power;
  for (const step of steps) {
    const stage = stageOf(step);
    if (stage !== undefined && stage > reached) reached = stage;
  }
  return reached;
}

/** The median, over earlier boots, of the time from the power to the first DISCOVER; null without any. */
export function usualSecondsToDiscover(attempts: readonly Attempt[]): number | null {
  const times = attempts.flatMap(({ steps }) => {
    const powered = steps.find((step) => step.kind === 'power-on' || step.kind === 'power-cycle');
    const asked = steps.find((step) => step.kind === 'dhcp-discover');
    return powered === undefined || asked === undefined ? [] : [(asked.at.getTime() - powered.at.getTime()) / 1000];
  });
  times.sort((a, b) => a - b);
  return times.length === 0 ? null : (times[Math.floor(times.length / 2)] ?? null);
}

function beginsBoot(step: BootStep, before: readonly BootStep[]): boolean {
  if (step.kind.startsWith('power-')) return !before.every((other) => other.kind.startsWith('power-')) || step.kind === 'power-cycle';
  const asker = askerOf(step);
  if (step.kind !== 'dhcp-discover' || (asker !== 'pxe' && asker !== 'http')) return false;
  const last = before.at(-1);
  const silenceMs = last === undefined ? 0 : step.at.getTime() - last.at.getTime();
  const isFurther = reachedBy(before) > Stage.firmwareLeased;
  // A power-on belongs to the DISCOVER that follows it, however long the self test takes.
  return isFurther || (silenceMs > NEW_BOOT_AFTER_MS && !before.every((other) => other.kind.startsWith('power-')));
}
