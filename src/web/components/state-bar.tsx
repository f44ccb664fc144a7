import { STATES, totalOf, type StateCounts } from '../store/states.js';

/** One bar of all six states, as wide as their shares. Says the same in words to a screen reader. */
export function StateBar({ counts }: { counts: StateCounts }) {
  const total = totalOf(counts);
  return (
    <span class="state-bar" role="img" aria-label={total === 0 ? 'no noderoles' : stateWords(counts)}>
      {STATES.map((state) => (counts[state] === 0 ? null : <span key={state} class={`part b-${state.toLowerCase()}`} style={{ flexGrow: counts[state] }} />))}
    </span>
  );
}

export function stateWords(counts: StateCounts): string {
  return STATES.filter((state) => counts[state] > 0)
    .map((state) => `${counts[state]} ${state.toLowerCase()}`)
    .join(', ');
}
