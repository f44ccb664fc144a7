import type { NodeRoleState, StateCounts } from '../answers.js';
import type { Look, Tone } from './look.js';

/** Every state of a noderole, from the one nearest its goal to the one furthest from it. */
export const STATES = ['ACTIVE', 'TRANSITION', 'TODO', 'BLOCKED', 'PROPOSED', 'ERROR'] as const satisfies readonly NodeRoleState[];

const TONES: Record<NodeRoleState, Tone> = {
  PROPOSED: 'dim',
  BLOCKED: 'blocked',
  TODO: 'ready',
  TRANSITION: 'running',
  ACTIVE: 'active',
  ERROR: 'error',
};

/** Whether the text is the name of a noderole's state. */
export function isState(text: unknown): text is NodeRoleState {
  return STATES.some((state) => state === text);
}

/** The tone of a noderole's state, the same on every screen. */
export function stateTone(state: NodeRoleState): Tone {
  return TONES[state];
}

/** The one-column mark of a noderole's state; marks differ in shape too, for screens without colours. */
export function stateGlyph(state: NodeRoleState, look: Look): string {
  const { active, running, ready, blocked, proposed, error } = look.glyphs;
  return {
    PROPOSED: proposed,
    BLOCKED: blocked,
    TODO: ready,
    TRANSITION: running,
    ACTIVE: active,
    ERROR: error,
  }[state];
}

const WORDS: Record<NodeRoleState, string> = {
  ACTIVE: 'active',
  TRANSITION: 'running',
  TODO: 'ready',
  BLOCKED: 'blocked',
  PROPOSED: 'proposed',
  ERROR: 'error',
};

/** Counts as words: `11 active, 7 running, 1 error`. States without any are left out; nothing at all is `none`. */
export function stateCountsText(counts: StateCounts, look: Look): string {
  const parts = STATES.filter((state) => counts[state] > 0).map((state) => look.paint(stateTone(state), `${counts[state]} ${WORDS[state]}`));
  return parts.length === 0 ? 'none' : parts.join(', ');
}

/** Counts as the share that is ACTIVE, and what is in ERROR: `3/5`, `3/5 1 error`. */
export function shareText(counts: StateCounts): string {
  const total = STATES.reduce((sum, state) => sum + counts[state], 0);
  if (total === 0) return '';
  return `${counts.ACTIVE}/${total}${counts.ERROR === 0 ? '' : ` ${counts.ERROR} error`}`;
}
