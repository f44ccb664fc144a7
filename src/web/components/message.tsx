import type { ComponentChildren } from 'preact';

/** Fills a page that has nothing else to show: loading, empty, or an error with what to do. */
export function Message({ title, tone = 'calm', children }: { title: string; tone?: 'calm' | 'bad'; children?: ComponentChildren }) {
  return (
    <section class={`message ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** Grey shapes where data will be: the page does not jump when it comes. */
export function Loading({ what }: { what: string }) {
  return (
    <div class="loading" role="status" aria-label={`Reading ${what}`}>
      {Array.from({ length: 12 }, (_, index) => (
        <span key={index} class="bone" />
      ))}
    </div>
  );
}
