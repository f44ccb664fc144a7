/**
 * Text as columns of a terminal. Everything that is shown comes through here: what a machine or a script reported may carry
 * escape sequences, and a wide character would push a column out of line.
 */

/** Escape sequences (ECMA-48 CSI, and OSC up to its terminator), then every other control character, and bidi overrides. */
const UNPRINTABLE =
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

/** First and last code points of the blocks that Unicode's East Asian Width (UAX #11) calls wide or fullwidth. */
const WIDE_BLOCKS: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];

function columnsOf(character: string): number {
  const codePoint = character.codePointAt(0) ?? 0;
  if (codePoint < 0x300) return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  return WIDE_BLOCKS.some(([first, last]) => codePoint >= first && codePoint <= last) ? 2 : 1;
}

/** One line that is safe to show: escape sequences are gone, a run of other control characters is one space. */
export function printableLine(text: string): string {
  return text
    .replaceAll(UNPRINTABLE, (found) => (found.startsWith('\u001b') ? '' : ' '))
    .replaceAll(/ {2,}/g, ' ')
    .trim();
}

/** Log text that is safe to show: its newlines and tabs stay, everything else that steers a terminal is gone. */
export function printableBlock(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(UNPRINTABLE, (found) => (found === '\n' || found === '\t' ? found : ''));
}

/** Columns the text takes on a terminal. The text must be printable and carry no colours. */
export function displayWidth(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

/** The text cut to at most `columns`, ending in `ellipsis` when something was cut. */
export function truncate(text: string, columns: number, ellipsis = '…'): string {
  if (columns <= 0) return '';
  if (displayWidth(text) <= columns) return text;
  const room = columns - displayWidth(ellipsis);
  if (room < 0) return ellipsis.slice(0, columns);
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += columnsOf(character);
    if (used > room) break;
    kept += character;
  }
  return kept + ellipsis;
}

/** The text cut or filled with spaces to exactly `columns`. */
export function fit(text: string, columns: number, ellipsis = '…', side: 'left' | 'right' = 'left'): string {
  const cut = truncate(text, columns, ellipsis);
  const space = ' '.repeat(Math.max(0, columns - displayWidth(cut)));
  return side === 'left' ? cut + space : space + cut;
}
