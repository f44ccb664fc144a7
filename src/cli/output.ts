/** Where a command's answer goes: text for people, or with --json exactly what the API answered. */
import type { LiveOutput } from './terminal/live-region.js';
import type { Look } from './terminal/look.js';

/** Answers go to stdout, everything about them (progress, hints, errors) to stderr. */
export type Output = {
  readonly json: boolean;
  readonly look: Look;
  /** Columns to fit tables into; undefined when stdout is no terminal and nothing must be cut. */
  readonly width: number | undefined;
  readonly stdout: LiveOutput;
  /** The whole answer: its JSON, or the text made of it. */
  print: <Value>(value: Value, text: (value: Value) => string) => void;
  /** One answer of many: a JSON document on one line, or its text. */
  printOne: <Value>(value: Value, text: (value: Value) => string) => void;
  /** A line for people, on stderr; not printed with --json. */
  hint: (text: string) => void;
};

export type OutputOptions = { json: boolean; look: Look; stdout: LiveOutput; stderr: LiveOutput };

/** An Output on two streams. */
export function createOutput({ json, look, stdout, stderr }: OutputOptions): Output {
  const line = (text: string): void => void (text === '' ? undefined : stdout.write(`${text}\n`));
  return {
    json,
    look,
    width: stdout.isTTY === true ? (stdout.columns ?? 80) : undefined,
    stdout,
    print: (value, text) => line(json ? JSON.stringify(value, null, 2) : text(value)),
    printOne: (value, text) => line(json ? JSON.stringify(value) : text(value)),
    hint: (text) => void (json ? undefined : stderr.write(`${look.paint('dim', text)}\n`)),
  };
}
