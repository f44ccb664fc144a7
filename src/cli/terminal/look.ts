/**
 * How text looks on this terminal: colours (256-colour palette) and the characters that bars and marks are drawn with. Pure:
 * the terminal is described by plain data, read once by `describeTerminal`.
 */

/** What a piece of text means; the palette says which colour that is. */
export type Tone = 'plain' | 'strong' | 'title' | 'dim' | 'faint' | 'active' | 'running' | 'ready' | 'blocked' | 'error' | 'boot' | 'warn';

/** Select Graphic Rendition parameters (ECMA-48 8.3.117) in the 256-colour palette: calm, and readable on dark and light. */
const PALETTE: Record<Tone, string> = {
  plain: '',
  strong: '1',
  title: '1;38;5;110',
  dim: '38;5;245',
  faint: '38;5;239',
  active: '38;5;108',
  running: '38;5;74',
  ready: '38;5;179',
  blocked: '38;5;96',
  error: '38;5;167',
  boot: '38;5;67',
  warn: '38;5;173',
};

/** Characters for marks and bars. Each is one column wide. */
export type Glyphs = {
  active: string;
  running: string;
  ready: string;
  blocked: string;
  proposed: string;
  error: string;
  none: string;
  barActive: string;
  barRunning: string;
  barError: string;
  barRest: string;
  dot: string;
  ellipsis: string;
  rule: string;
  arrow: string;
  check: string;
  pending: string;
  because: string;
};

const UNICODE: Glyphs = {
  active: '●',
  running: '◐',
  ready: '○',
  blocked: '◌',
  proposed: '∙',
  error: '✗',
  none: ' ',
  barActive: '━',
  barRunning: '╍',
  barError: '×',
  barRest: '─',
  dot: '·',
  ellipsis: '…',
  rule: '─',
  arrow: '→',
  check: '✓',
  pending: '…',
  because: '└',
};

const ASCII: Glyphs = {
  active: '#',
  running: '>',
  ready: 'o',
  blocked: '.',
  proposed: '-',
  error: 'X',
  none: ' ',
  barActive: '#',
  barRunning: '>',
  barError: 'X',
  barRest: '-',
  dot: '|',
  ellipsis: '~',
  rule: '-',
  arrow: '+',
  check: '*',
  pending: '?',
  because: '`-',
};

/** What the drawing functions are told about where their text goes. */
export type Look = {
  readonly colour: boolean;
  readonly glyphs: Glyphs;
  /** The text in its tone's colour, or unchanged without colours. Widths are measured before, never after. */
  readonly paint: (tone: Tone, text: string) => string;
};

/** The part of an output stream that tells what it can show. */
export type OutputLike = { readonly isTTY?: boolean | undefined };

/** A Look with or without colours, in Unicode or in ASCII. */
export function createLook(options: { colour: boolean; unicode: boolean }): Look {
  const paint = (tone: Tone, text: string): string => {
    const code = PALETTE[tone];
    return options.colour && code !== '' && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text;
  };
  return { colour: options.colour, glyphs: options.unicode ? UNICODE : ASCII, paint };
}

/** Whether the locale can show Unicode. No locale at all counts as yes: a bare container's terminal still speaks UTF-8. */
export function hasUnicode(env: NodeJS.ProcessEnv): boolean {
  if (env.TERM === 'dumb') return false;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  if (locale === '') return true;
  return /utf-?8/i.test(locale);
}

/** Colours only on a terminal that has them, and never when NO_COLOR is set to anything (https://no-color.org). */
export function hasColour(env: NodeJS.ProcessEnv, out: OutputLike): boolean {
  if (out.isTTY !== true || env.TERM === 'dumb') return false;
  return env.NO_COLOR === undefined || env.NO_COLOR === '';
}

/** The Look for one output stream of this process. */
export function describeTerminal(env: NodeJS.ProcessEnv, out: OutputLike): Look {
  return createLook({ colour: hasColour(env, out), unicode: hasUnicode(env) });
}
