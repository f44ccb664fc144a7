/** The part of a terminal's output stream that drawing in place needs; process.stdout is one. */
export type LiveOutput = {
  write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on?: (event: 'resize', listener: () => void) => unknown;
  off?: (event: 'resize', listener: () => void) => unknown;
};

/** Draws frames of lines over each other. `close` is safe to repeat and always leaves a usable terminal. */
export type LiveRegion = {
  draw: (lines: readonly string[]) => void;
  /** Forgets what is on the screen, so that the next draw clears it first: after a resize, or when something else has written. */
  reset: () => void;
  close: () => void;
};

/**
 * Columns that a frame may use. The last one stays empty: after a character in it the cursor waits there, and
 * clearing to the end of the line would take that character away again (ECMA-48 says nothing, terminals agree).
 */
export function usableColumns(out: LiveOutput): number {
  // 0: a terminal that was never told its size (a container's, a serial line).
  return (out.columns || 80) - 1;
}

/** ECMA-48 sequences, and DEC private modes 25 (cursor), 1049 (alternate screen) and 7 (wrap at the margin). */
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const ENTER_SCREEN = '\u001b[?1049h';
const LEAVE_SCREEN = '\u001b[?1049l';
const WRAP_OFF = '\u001b[?7l';
const WRAP_ON = '\u001b[?7h';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** The whole screen, on the alternate buffer: what was printed before comes back when it closes. */
export function openScreen(out: LiveOutput): LiveRegion {
  let open = true;
  out.write(ENTER_SCREEN + HIDE_CURSOR + WRAP_OFF);
  let clean = false;
  return {
    draw: (lines) => {
      if (!open) return;
      // One write per frame, over what is there and never cleared before it: that is what keeps it from flickering.
      const body = lines.map((line) => line + CLEAR_LINE).join('\r\n');
      out.write((clean ? HOME : HOME + CLEAR_BELOW) + body + CLEAR_BELOW);
      clean = true;
    },
    reset: () => {
      clean = false;
    },
    close: () => {
      if (!open) return;
      open = false;
      out.write(WRAP_ON + SHOW_CURSOR + LEAVE_SCREEN);
    },
  };
}

/** A few lines at the end of what was printed, redrawn in place; the last frame stays. Must not be taller than the terminal. */
export function openInline(out: LiveOutput): LiveRegion {
  let open = true;
  let drawn = 0;
  out.write(HIDE_CURSOR + WRAP_OFF);
  return {
    draw: (lines) => {
      if (!open) return;
      const up = drawn > 1 ? `\u001b[${drawn - 1}A` : '';
      out.write(`\r${up}${lines.map((line) => line + CLEAR_LINE).join('\r\n')}${CLEAR_BELOW}`);
      drawn = lines.length;
    },
    reset: () => {
      drawn = 0;
    },
    close: () => {
      if (!open) return;
      open = false;
      out.write(`${drawn > 0 ? '\r\n' : ''}${WRAP_ON}${SHOW_CURSOR}`);
    },
  };
}
