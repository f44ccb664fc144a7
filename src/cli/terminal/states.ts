import type { NodeRoleState } from '../answers.js';
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
  return { PROPOSED: proposed, BLOCKED: blocked, TODO: ready, TRANSITION: running, ACTIVE: active, ERROR: error }[state];
}
