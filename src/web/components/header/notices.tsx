import type { Notice } from '../../store/board.js';
import { agoWords } from '../../store/words.js';

/** What a human should read, newest first; the connection's state comes before it, because nothing else is fresh then. */
export function Notices(props: {
  problem: string | null;
  lost: boolean;
  notices: readonly Notice[];
  now: number;
  onDismiss: () => void;
  onNode: (id: number) => void;
}) {
  const [first, ...more] = props.notices;
  return (
    <div class="notices" aria-live="polite">
      {(props.lost || props.problem !== null) && (
        <p class="notice calm">
          <strong>{props.lost ? 'The connection was lost.' : 'Reading failed.'}</strong> {props.problem ?? ''} What you see may be old; it is tried again by
          itself.
        </p>
      )}
      {first !== undefined && (
        <p class="notice bad">
          <strong>Alarm, {agoWords(first.at, props.now)}:</strong> {first.text}
          {more.length > 0 && <span class="muted"> and {more.length} more</span>}
          <span class="notice-actions">
            {first.nodeId !== null && (
              <button type="button" class="link" onClick={() => props.onNode(first.nodeId ?? 0)}>
                Show the node
              </button>
            )}
            <button type="button" class="link" onClick={props.onDismiss}>
              Dismiss
            </button>
          </span>
        </p>
      )}
    </div>
  );
}
