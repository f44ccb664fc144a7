import { useLayoutEffect, useRef } from 'preact/hooks';

/** A log that follows its end, unless the operator has scrolled up to read. */
export function LogView({ text, ended, problem }: { text: string; ended: boolean; problem: string | null }) {
  const box = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    if (box.current !== null && follows.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  const onScroll = (): void => {
    const { current } = box;
    if (current !== null) follows.current = current.scrollHeight - current.scrollTop - current.clientHeight < 24;
  };
  return (
    <div class="log">
      <pre ref={box} class="log-text" tabIndex={0} aria-label="Log of the run" onScroll={onScroll}>
        {text === '' ? <span class="muted">{ended ? 'This run wrote nothing.' : 'Nothing written yet.'}</span> : text}
        {!ended && <span class="caret" aria-hidden="true" />}
      </pre>
      {problem !== null && <p class="notice calm">{problem} Tried again.</p>}
    </div>
  );
}
