/** PURE: a transfer of a boot file in an operator's words. */
import { bytesWords } from './words.js';

export type TransferView = { bytes: number; size_bytes: number; state: string; reason: string };

/** How much of the file the machine has; a file of no bytes is whole. */
export function transferFill({ bytes, size_bytes: size }: TransferView): { percent: number; words: string } {
  const percent = size <= 0 ? 100 : Math.min(100, Math.floor((bytes / size) * 100));
  return { percent, words: bytes >= size ? bytesWords(size) : `${bytesWords(bytes)} of ${bytesWords(size)}` };
}

const WORDS: Readonly<Record<string, string>> = {
  running: 'running',
  done: 'done',
  timeout: 'the machine fell silent',
  aborted: 'broken off',
  failed: 'failed',
  lost: 'the server ended',
};

export function transferWords({ state, reason }: TransferView): string {
  const word = WORDS[state] ?? state;
  return reason === '' ? word : `${word}: ${reason}`;
}
