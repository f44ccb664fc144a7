/** Numbers as people read them: short, and of a steady width where they change while one looks. */

/** A duration as `8 s`, `2:05` or `1:02:05`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** How long ago an ISO time was: `4 s ago`, `never` for none. */
export function agoText(at: string | null, now: number): string {
  if (at === null) return 'never';
  return `${durationText((now - Date.parse(at)) / 1000)} ago`;
}

/** A count with its noun: `1 node`, `12 nodes`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A rate with one decimal below ten and none above. */
export function rateText(perSecond: number): string {
  return perSecond < 9.95 ? perSecond.toFixed(1) : String(Math.round(perSecond));
}

/** Words with commas between them, `-` for none. */
export function listText(words: readonly string[]): string {
  return words.length === 0 ? '-' : words.join(', ');
}
