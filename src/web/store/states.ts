/**
 * The six states of a noderole as the interface shows them. This file decides nothing about a noderole's life (that is
 * src/noderoles/state.ts on the server); it only orders and names the states, so that every page says them alike.
 */

/** In the order of a life: what has come furthest is last but for ERROR, which ends it. */
export const STATES = ['ACTIVE', 'TRANSITION', 'TODO', 'BLOCKED', 'PROPOSED', 'ERROR'] as const;
export type State = (typeof STATES)[number];

export type StateCounts = Readonly<Record<State, number>>;

export const NO_COUNTS: StateCounts = { ACTIVE: 0, TRANSITION: 0, TODO: 0, BLOCKED: 0, PROPOSED: 0, ERROR: 0 };

/** What an operator reads on hover: what the state means for him, in one line. */
export const STATE_MEANING: Readonly<Record<State, string>> = {
  ACTIVE: 'done, and its children may go on',
  TRANSITION: 'a run is at work, or waits for the node',
  TODO: 'ready: starts as soon as its node is free and in the right system',
  BLOCKED: 'waits for a parent that is not active yet',
  PROPOSED: 'planned, not committed: nothing happens to it',
  ERROR: 'failed: its children wait until it is retried',
};

const SEVERITY: Readonly<Record<State, number>> = { ERROR: 5, TRANSITION: 4, TODO: 3, BLOCKED: 2, PROPOSED: 1, ACTIVE: 0 };

export function isState(value: unknown): value is State {
  return typeof value === 'string' && (STATES as readonly string[]).includes(value);
}

/** The state that should catch the eye first; null for a node without noderoles. */
export function worstState(counts: StateCounts): State | null {
  let worst: State | null = null;
  for (const state of STATES) {
    if (counts[state] > 0 && (worst === null || SEVERITY[state] > SEVERITY[worst])) worst = state;
  }
  return worst;
}

export function totalOf(counts: StateCounts): number {
  return STATES.reduce((sum, state) => sum + counts[state], 0);
}

/** Moves one noderole between states. A count never goes below zero: a missed event is healed by the next reload, not shown as -1. */
export function moveCount(counts: StateCounts, from: State | null, to: State | null): StateCounts {
  if (from === to) return counts;
  const moved = { ...counts };
  if (from !== null) moved[from] = Math.max(0, moved[from] - 1);
  if (to !== null) moved[to] += 1;
  return moved;
}
