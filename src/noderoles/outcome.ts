/** What one call of a jig comes to, as it is settled. Plain data: jigs return it, `settle` writes it. */
import type { JsonObject } from '../shared/json.js';

/** `wait` frees the worker; the jig is called again when the fact is true or the deadline has come. */
export type StepOutcome =
  | { kind: 'done'; wall?: JsonObject; result?: JsonObject }
  | {
      kind: 'wait';
      /** Which fact: `served:<node>`, `install:<id>`, `boot:<node>`, `work:<run>`, or `timer:<run>` (true at its deadline). */
      key: string;
      /** The fact's generation from which on it is true. */
      minGeneration: number;
      deadlineSeconds: number;
      /** Whether the machine stays taken meanwhile (an install, a reboot) or not (a timer, an external service). */
      keeps: 'node' | 'nothing';
      /** Whether the step goes on when the machine goes away. */
      survivesReboot?: boolean;
      /** Handed back to the next call. */
      memo: JsonObject;
    }
  | { kind: 'fail'; code: string; message: string; retryable: boolean; exitStatus?: number };
