/** One turn of a run in a worker: what its jig is given, and how the call of the jig comes to an end. */
import type { JigContext } from '../jigs/contract.js';
import type { JsonObject } from '../shared/json.js';
import type { Logger } from '../shared/logger.js';
import type { Hold } from './hold.js';

/** What every turn of a run is made of. `fence` is the new one, valid until the turn ends or the run is taken away. */
export type Turn = {
  runId: number;
  fence: number;
  attempt: number;
  jig: string;
  inputs: JsonObject;
  memo: JsonObject;
  noderoleId: number;
  role: { name: string; config: JsonObject; timeoutSeconds: number };
  node: { id: number; name: string; arch: string; kind: string };
  /** Strings among the inputs that no log may show. */
  secrets: string[];
};

export type TurnContext = Omit<JigContext, 'wake' | 'unabortable' | 'agent'>;

/** What `run` and `onStop` are both given. */
export function contextOf(turn: Turn, about: { hold: Hold; mayAct: () => boolean; write: (text: string) => void; log: Logger }): TurnContext {
  const { hold, mayAct, write } = about;
  let logger: Logger | undefined;
  return {
    run: { id: turn.runId, fence: turn.fence, attempt: turn.attempt },
    role: turn.role,
    noderole: { id: turn.noderoleId },
    node: turn.node,
    inputs: turn.inputs,
    memo: turn.memo,
    // Made when they are asked for: most jigs only write to the run's log.
    get signal() {
      return hold.signal;
    },
    mayAct,
    log: write,
    get logger() {
      return (logger ??= about.log.child({ runId: turn.runId, nodeRoleId: turn.noderoleId, nodeId: turn.node.id, jig: turn.jig }));
    },
  };
}

/** How long a jig whose signal was aborted may take to stop, unless the worker says otherwise. Milliseconds. */
export const ABORT_GRACE_MS = 10_000;

export type End = { kind: 'returned'; value: unknown } | { kind: 'threw'; error: unknown } | { kind: 'ignored' };

/** The end of a jig. After its signal it is waited for as long as the grace: while it works, the machine is not free. */
export function endOf(work: () => Promise<unknown>, hold: Hold, graceMs: number): Promise<End> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const end = (ended: End) => {
      clearTimeout(timer);
      resolve(ended);
    };
    hold.onStop(() => (timer = setTimeout(() => resolve({ kind: 'ignored' }), graceMs)));
    void (async () => work())().then(
      (value) => end({ kind: 'returned', value }),
      (error: unknown) => end({ kind: 'threw', error }),
    );
  });
}
