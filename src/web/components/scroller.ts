import { useLayoutEffect, useState } from 'preact/hooks';
import type { RefObject } from 'preact';

/** Where an element is scrolled to and how big its inside is, in CSS pixels. */
export interface Viewport {
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Follows the scrolling and the size of an element, at most once a frame. Width is 0 before the first layout. */
export function useViewport(ref: RefObject<HTMLElement | null>): Viewport {
  const [view, setView] = useState<Viewport>({ top: 0, width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return;
    let frame = 0;
    const measure = (): void => {
      frame = 0;
      const next = { top: element.scrollTop, width: element.clientWidth, height: element.clientHeight };
      setView((old) => (old.top === next.top && old.width === next.width && old.height === next.height ? old : next));
    };
    const soon = (): void => {
      frame ||= requestAnimationFrame(measure);
    };
    measure();
    const observer = new ResizeObserver(soon);
    observer.observe(element);
    element.addEventListener('scroll', soon, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      element.removeEventListener('scroll', soon);
    };
  }, [ref]);
  return view;
}

/** Scrolls as little as needed to bring the rows from `top` to `bottom` out from below a sticky head of `head` pixels. */
export function reveal(element: HTMLElement, top: number, bottom: number, head: number): void {
  if (top < element.scrollTop) element.scrollTop = top;
  else if (bottom + head > element.scrollTop + element.clientHeight) element.scrollTop = bottom + head - element.clientHeight;
}
