/** Reads a complete history and says what was broken, in words; empty means sound. PURE. */
import { checkEvents } from './check-events.js';
import { checkJournal } from './check-journal.js';
import { checkRest } from './check-rest.js';
import type { History } from './history.js';

export function violations(history: History): string[] {
  return [...checkJournal(history), ...checkEvents(history), ...checkRest(history)];
}
