/** Times, durations and machine keys in an operator's words. */

/** `4 s`, `12 min`, `3 h 05`, `2 d`: short enough for a tile. */
export function durationWords(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}`;
  return `${Math.floor(whole / 86_400)} d`;
}

/** `just now`, `12 s ago`. A clock ahead of ours (the server's) is `just now`, not the future. */
export function agoWords(at: number | null, now: number): string {
  if (at === null) return 'never';
  const seconds = (now - at) / 1000;
  return seconds < 2 ? 'just now' : `${durationWords(seconds)} ago`;
}

/** Milliseconds since the epoch of a wire time, null for null or nonsense. */
export function timeOf(wire: string | null | undefined): number | null {
  if (!wire) return null;
  const at = Date.parse(wire);
  return Number.isNaN(at) ? null : at;
}

/** `08:41:07` in the operator's own time zone. */
export function clockWords(at: number | null): string {
  return at === null ? '' : new Date(at).toLocaleTimeString('en-GB');
}

/** What a WAITING run waits for, from its wait key (`served:<node>`, `install:<id>` ...), short enough for a cell. */
export function waitWords(key: string | null | undefined): string {
  const subject = key?.split(':', 1)[0] ?? '';
  return WAIT_WORDS[subject] ?? 'waiting';
}

const WAIT_WORDS: Readonly<Record<string, string>> = {
  served: 'boot servers',
  install: 'installing',
  boot: 'booting',
  work: 'agent works',
  timer: 'timer',
};

/** The word in a cell: of a run when one lives, else the state itself. */
export function cellWords(state: string, run: { status: string; wait_key?: string | null | undefined } | null): string {
  if (state !== 'TRANSITION' || run === null) return state.toLowerCase();
  if (run.status === 'WAITING') return waitWords(run.wait_key);
  return run.status.toLowerCase();
}

export function bytesWords(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A count and its noun: `1 node`, `12 nodes`. */
export function countWords(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}

export { compareNames as byName } from '../../shared/names.js';
