import type { ComponentChildren } from 'preact';
import type { Filter } from '../../store/select.js';
import { STATE_MEANING, STATES, type StateCounts } from '../../store/states.js';
import { StateGlyph } from '../glyph.js';

export interface ToolbarProps {
  totals: StateCounts;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  /** How many nodes pass the filter, of how many. */
  summary: string;
  children?: ComponentChildren;
}

/** Totals by state, which are also the filter; the search; and what the page adds, its density. */
export function Toolbar({ totals, filter, onFilter, summary, children }: ToolbarProps) {
  return (
    <div class="toolbar">
      <div class="totals" role="group" aria-label="Noderoles by state: press one to show only its nodes">
        {STATES.map((state) => (
          <button
            key={state}
            type="button"
            class={`total t-${state.toLowerCase()} ${totals[state] === 0 ? 'is-zero' : ''}`}
            aria-pressed={filter.state === state}
            title={STATE_MEANING[state]}
            onClick={() => onFilter({ ...filter, state: filter.state === state ? null : state })}
          >
            <StateGlyph state={state} />
            <span class="total-number">{totals[state].toLocaleString('en-US')}</span>
            <span class="total-word">{state.toLowerCase()}</span>
          </button>
        ))}
      </div>
      <div class="tools">
        <span class="summary" role="status">
          {summary}
        </span>
        <input
          id="search"
          class="search"
          type="search"
          placeholder="Find a node  /"
          aria-label="Find nodes by name, phase, bootenv or address"
          value={filter.text}
          onInput={(event) => onFilter({ ...filter, text: event.currentTarget.value })}
        />
        {children}
      </div>
    </div>
  );
}

/** A row of exclusive choices. */
export function Choice<Value extends string>(props: {
  label: string;
  values: readonly (readonly [Value, string])[];
  value: Value;
  onChoose: (value: Value) => void;
}) {
  return (
    <div class="choice" role="group" aria-label={props.label}>
      {props.values.map(([value, word]) => (
        <button key={value} type="button" aria-pressed={props.value === value} onClick={() => props.onChoose(value)}>
          {word}
        </button>
      ))}
    </div>
  );
}
