/** PURE: the verdict on a machine's boot, and the causes that fit, the best first. */
import { ADDRESS_CAUSES } from './causes-address.js';
import { LOADER_CAUSES } from './causes-loader.js';
import { POWER_CAUSES } from './causes-power.js';
import { SCRIPT_CAUSES } from './causes-script.js';
import { SYSTEM_CAUSES } from './causes-system.js';
import type { Cause, Certainty } from './cause.js';
import { presentBoot, silentSeconds, type Evidence } from './evidence.js';
import { Stage } from './steps.js';

/**
 * The table of causes, later stages first and the more specific before the general: of two that are equally certain the
 * first is named first.
 */
export const CAUSES: readonly Cause[] = [...SYSTEM_CAUSES, ...SCRIPT_CAUSES, ...LOADER_CAUSES, ...ADDRESS_CAUSES, ...POWER_CAUSES];

/**
 * `running`: it reported and lives. `under-way`: it goes on. `stalled`: nothing came for longer than the step takes.
 * `unseen`: nothing was ever heard.
 */
export type Verdict = 'running' | 'under-way' | 'stalled' | 'unseen';

export type Suspect = {
  readonly id: string;
  readonly title: string;
  readonly certainty: Certainty;
  readonly because: readonly string[];
  readonly means: string;
  readonly fix: string;
  readonly proof: string;
  readonly source: string;
};

export type Diagnosis = {
  readonly verdict: Verdict;
  readonly reached: Stage;
  readonly silentSeconds: number | null;
  readonly suspects: readonly Suspect[];
};

const RANK: Readonly<Record<Certainty, number>> = { certain: 0, likely: 1, possible: 2 };

/** How long each stage may be silent, seconds, by the number of the stage. */
const PATIENCE: readonly number[] = [300, 15, 15, 15, 20, 15, 20, 20, 120, 15, 60, 900, Number.POSITIVE_INFINITY];

/** Looks at every cause. Never throws for odd evidence: what is not known speaks for nothing. */
export function diagnose(evidence: Evidence): Diagnosis {
  const verdict = judge(evidence);
  const suspects = CAUSES.flatMap((cause, place) => {
    const finding = cause.find(evidence);
    if (finding === undefined) return [];
    const { id, title, means, proof, source } = cause;
    const rank = RANK[finding.certainty] + (cause.isSlowness === true ? 10 : 0);
    return [
      { rank, place, suspect: { id, title, certainty: finding.certainty, because: finding.because, means, fix: finding.fix ?? cause.fix, proof, source } },
    ];
  });
  suspects.sort((a, b) => a.rank - b.rank || a.place - b.place);
  const silent = silentSeconds(evidence);
  return {
    verdict,
    reached: presentBoot(evidence).reached,
    silentSeconds: Number.isFinite(silent) ? silent : null,
    suspects: suspects.map(({ suspect }) => suspect),
  };
}

function judge(evidence: Evidence): Verdict {
  const boot = presentBoot(evidence);
  if (boot.steps.length === 0) return evidence.node?.alive === true ? 'running' : 'unseen';
  if (boot.reached === Stage.reported) return 'running';
  return silentSeconds(evidence) > (PATIENCE[boot.reached] ?? 60) ? 'stalled' : 'under-way';
}
