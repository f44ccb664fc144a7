/** Outcomes as tests settle them, of a run that was begun (`claimAndBegin`, `begin`). */
import type { Settlement } from '../../src/noderoles/settle.js';

/** A run and the fence its executor holds. */
export type Turn = { runId: number; fence: number };

export const done = (turn: Turn, wall?: Record<string, unknown>): Settlement => ({
  ...turn,
  outcome: { kind: 'done', ...(wall ? { wall: wall as Record<string, never> } : {}) },
});

/** Code `told`; final unless it may be tried again. */
export const fail = (turn: Turn, retryable = false): Settlement => ({ ...turn, outcome: { kind: 'fail', code: 'told', message: 'told to', retryable } });

/** Ten minutes for the fact; leaves a memo for the next turn. */
export const wait = (turn: Turn, keeps: 'node' | 'nothing' = 'node', key = 'k', minGeneration = 1): Settlement => ({
  ...turn,
  outcome: { kind: 'wait', key, minGeneration, deadlineSeconds: 600, keeps, memo: { step: 1 } },
});
