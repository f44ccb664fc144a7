import { clockWords, durationWords, timeOf, waitWords } from '../../store/words.js';

export interface RunView {
  readonly id: number;
  readonly attempt: number;
  readonly status: string;
  readonly outcome: string | null;
  readonly jig: string;
  readonly error: { code: string; message: string } | null;
  readonly exit_status: number | null;
  readonly wait: { key: string; deadline: string; keeps: string } | null;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
}

/** Runs, newest first; the chosen one's log stands below. */
export function RunList(props: { runs: readonly RunView[]; chosen: number | null; now: number; onChoose: (runId: number) => void }) {
  return (
    <ul class="runs">
      {props.runs.map((run) => (
        <li key={run.id}>
          <button type="button" class={`run o-${run.outcome ?? 'live'}`} aria-pressed={run.id === props.chosen} onClick={() => props.onChoose(run.id)}>
            <span class="run-id">run {run.id}</span>
            <span class="run-outcome">{run.outcome ?? (run.status === 'WAITING' ? `waiting: ${waitWords(run.wait?.key)}` : run.status.toLowerCase())}</span>
            <span class="run-time">
              {clockWords(timeOf(run.started_at ?? run.created_at))} <span class="muted">{lasted(run, props.now)}</span>
            </span>
            {run.error !== null && (
              <span class="run-error">
                {run.error.message} <code>{run.error.code}</code>
              </span>
            )}
          </button>
        </li>
      ))}
    </ul>
  );
}

function lasted(run: RunView, now: number): string {
  const start = timeOf(run.started_at);
  return start === null ? 'not started' : durationWords(((timeOf(run.ended_at) ?? now) - start) / 1000);
}
