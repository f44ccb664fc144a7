import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** The panel at the side (on a phone: over the page). Takes the focus when it opens and on a new subject; Esc closes it, in app.tsx. */
export function SidePanel(props: { subject: string; title: ComponentChildren; label: string; onClose: () => void; children: ComponentChildren }) {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus({ preventScroll: true }), [props.subject]);
  return (
    <aside class="panel" aria-label={props.label}>
      <div class="panel-head">
        <h2 ref={title} tabIndex={-1}>
          {props.title}
        </h2>
        <button type="button" class="button quiet close" aria-label="Close the panel (Esc)" title="Close (Esc)" onClick={props.onClose}>
          <svg class="glyph" viewBox="0 0 16 16" aria-hidden="true">
            <path d="M4 4l8 8M12 4l-8 8" />
          </svg>
        </button>
      </div>
      <div class="panel-body">{props.children}</div>
    </aside>
  );
}

export function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="section">
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** Names and values; a row without a value is left out. */
export function Facts({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) =>
        value === null || value === '' || value === undefined ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}
