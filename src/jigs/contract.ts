/**
 * What a jig is. A jig reads its context, acts on one machine through the ports it is given, and returns an outcome; it
 * never writes state, and nothing it returns is trusted past `src/runs/execute.ts`. `jigs/<name>/jig.ts` imports only
 * this file and `src/shared`. Running it twice with the same context must be harmless: a worker may die at any moment.
 */
import type { StepOutcome } from '../noderoles/outcome.js';
import type { JsonObject } from '../shared/json.js';
import type { Logger } from '../shared/logger.js';

export type { Json, JsonObject } from '../shared/json.js';
export type { StepOutcome as JigOutcome } from '../noderoles/outcome.js';

export type AgentSpec = { script: string; env: Record<string, string>; timeoutSeconds: number };
export type AgentResult = { status: 'offered' | 'taken' | 'done' | 'revoked'; exitStatus: number | null; result: JsonObject | null };

/** Work for the program on the machine; it polls for it, so offering never holds a worker. */
export type AgentPort = {
  /** Hands the work out, once per run; repeating it changes nothing. Returns the fact key to wait for. */
  offer(spec: AgentSpec): Promise<{ key: string }>;
  /** What became of it; null when none was offered. */
  result(): Promise<AgentResult | null>;
};

export type JigContext = {
  run: { id: number; fence: number; attempt: number };
  role: { name: string; config: JsonObject; timeoutSeconds: number };
  noderole: { id: number };
  node: { id: number; name: string; arch: string; kind: string };
  /** Frozen when the run began: merged attribs (`src/noderoles/data.ts`). */
  inputs: JsonObject;
  /** What the last call left, `{}` in the first. */
  memo: JsonObject;
  /** Why it is called again; null in the first call. */
  wake: 'fact' | 'deadline' | 'unexpected-boot' | null;
  /** Aborts when the run is cancelled, its lease is lost or its time is over: stop at once, nothing you return counts. */
  signal: AbortSignal;
  /** Whether the machine is certainly still ours; ask just before each command that acts on it (engine-rules 1). */
  mayAct(this: void): boolean;
  /** One or more lines for the run's log. */
  log(text: string): void;
  logger: Logger;
  agent: AgentPort;
  /**
   * Does `work` as one step that a cancel does not break off: it is answered 202 and takes effect when `work` has ended, and
   * so does the timeout. `what` says it in words, for `why`. Rejects, without having begun, when the run was cancelled
   * before. A worker that dies meanwhile is not kept from dying: the next attempt finds what was left.
   */
  unabortable<T>(what: string, work: () => Promise<T>): Promise<T>;
};

/** Of a run that was cancelled or proposed again: everything that `run` had, and how it ended. */
export type StopContext = Omit<JigContext, 'wake' | 'unabortable' | 'agent'> & { reason: string };

/**
 * What undoing came to. `proof`: why nothing of the run acts on the machine any more, in words; the machine is free then.
 * Without it another boot, the agent, the BMC or an operator has to prove it.
 */
export type Stopped = { note?: string; proof?: string };

export type Jig = {
  name: string;
  /** One sentence for the operator. */
  description: string;
  run(ctx: JigContext): Promise<StepOutcome>;
  /**
   * Undoes what a run began and nobody will finish, in a dispatch of its own before the machine is given to others; called
   * when the executor of `run` has stopped. Throwing means that it is tried again. Safe to repeat. Absent: nothing to undo.
   */
  onStop?(ctx: StopContext): Promise<Stopped>;
  /** Whether `onStop` has anything to undo for this role; absent: for every role. */
  undoes?(role: string): boolean;
};

export type JigRegistry = ReadonlyMap<string, Jig>;

/** A role that is a TypeScript function in the server, run by the `role-provided` jig. */
export type RoleFunction = ((ctx: JigContext) => Promise<StepOutcome>) & { onStop?: (ctx: StopContext) => Promise<Stopped> };

/** Whether a run of this jig and role has something to undo when it is stopped. */
export function hasStop(jigs: JigRegistry, jig: string, role: string): boolean {
  const found = jigs.get(jig);
  return found?.onStop !== undefined && (found.undoes?.(role) ?? true);
}
