/** PURE: what a cause is. The table is in causes-*.ts; a page of it for operators is docs/boot-doctor.md. */
import type { Evidence } from './evidence.js';

/**
 * `certain`: our own record says so. `likely`: what was seen fits, and nothing else known fits better. `possible`: it fits,
 * as other causes do.
 */
export type Certainty = 'certain' | 'likely' | 'possible';

/** Why a cause is named: what was seen, in sentences; a switch to flip where it depends on what was seen. */
export type Finding = { readonly certainty: Certainty; readonly because: readonly string[]; readonly fix?: string };

export type Cause = {
  /** Stable, for programs. */
  readonly id: string;
  readonly title: string;
  /** What happens, in words of somebody who racks machines. */
  readonly means: string;
  /** The switch to flip out of it. */
  readonly fix: string;
  /** What would prove it, or rule it out. */
  readonly proof: string;
  /** Where it is known from: RFC, vendor, or where it was seen. */
  readonly source: string;
  /** It costs time and stops nothing. */
  readonly isSlowness?: boolean;
  readonly find: (evidence: Evidence) => Finding | undefined;
};

export const certain = (...because: string[]): Finding => ({ certainty: 'certain', because });
export const likely = (...because: string[]): Finding => ({ certainty: 'likely', because });
export const possible = (...because: string[]): Finding => ({ certainty: 'possible', because });

/** `3 s`, `4 min`, `2 h`. */
export function spanText(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'ever';
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
