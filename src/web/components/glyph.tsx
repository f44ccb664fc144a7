/**
 * Shapes that say what colour says: each state and each boot phase can be told apart in black and white. Drawn as paths on a
 * 16 x 16 field, because the symbols of fonts differ from machine to machine.
 */
import { phaseOf } from '../store/phases.js';
import type { State } from '../store/states.js';

const STATE_PATHS: Readonly<Record<State, string>> = {
  // A tick.
  ACTIVE: 'M3 8.6 6.5 12 13 4.6',
  // An arc that turns while the page allows motion.
  TRANSITION: 'M8 2.5A5.5 5.5 0 1 1 2.5 8',
  // A triangle: ready to start.
  TODO: 'M5 3.4 12.2 8 5 12.6Z',
  // Two bars: held.
  BLOCKED: 'M5.5 3.5v9M10.5 3.5v9',
  // A dashed ring: only planned.
  PROPOSED: 'M8 2.8v1.6M8 11.6v1.6M2.8 8h1.6M11.6 8h1.6M4.4 4.4l1 1M10.6 10.6l1 1M4.4 11.6l1-1M10.6 5.4l1-1',
  // A cross.
  ERROR: 'M4 4l8 8M12 4l-8 8',
};

export function StateGlyph({ state }: { state: State }) {
  return (
    <svg class={`glyph g-${state.toLowerCase()}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={STATE_PATHS[state]} />
    </svg>
  );
}

const PHASE_PATHS: Readonly<Record<string, string>> = {
  unseen: 'M3 8h.01M8 8h.01M13 8h.01',
  off: 'M8 2.5v5M4.6 4.6a4.8 4.8 0 1 0 6.8 0',
  dhcp: 'M2.5 8h11M9 3.8 13.5 8 9 12.2',
  tftp: 'M8 2.5v8M4.2 7 8 10.8 11.8 7M3 13.5h10',
  ipxe: 'M6 3 2 8l4 5M10 3l4 5-4 5',
  kernel: 'M4.5 4.5h7v7h-7zM6.5 1.8v2.7M9.5 1.8v2.7M6.5 11.5v2.7M9.5 11.5v2.7M1.8 6.5h2.7M1.8 9.5h2.7M11.5 6.5h2.7M11.5 9.5h2.7',
  agent: 'M2.5 8.5h2.6l1.7-4.5 2.6 8 1.7-3.5h2.4',
  installing: 'M3 4.2c0-2.3 10-2.3 10 0v7.6c0 2.3-10 2.3-10 0zM3 4.2c0 2.3 10 2.3 10 0M8 7.6v3.6M6.2 9.6 8 11.4l1.8-1.8',
  installed: 'M3 4.2c0-2.3 10-2.3 10 0v7.6c0 2.3-10 2.3-10 0zM3 4.2c0 2.3 10 2.3 10 0M5.8 9.6l1.7 1.7 3-3.4',
  disk: 'M3 4.2c0-2.3 10-2.3 10 0v7.6c0 2.3-10 2.3-10 0zM3 4.2c0 2.3 10 2.3 10 0M3 8c0 2.3 10 2.3 10 0',
};

export function PhaseGlyph({ phase }: { phase: string }) {
  return (
    <svg class="glyph" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PHASE_PATHS[phaseOf(phase).word] ?? PHASE_PATHS['unseen']} />
    </svg>
  );
}

/** The bar that prises the lid off: our mark. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="mark-plate" width="32" height="32" rx="7" />
      <path class="mark-bar" d="M8.5 25.5 21.6 9.9c1.5-1.8.3-3.6-1.4-3.4-1.4.2-2.6 1.1-3.4 2.2M8.5 25.5l-1.8.4M21.9 9.5l1.9 1.7" />
    </svg>
  );
}
