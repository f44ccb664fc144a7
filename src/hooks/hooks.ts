/**
 * The hooks of roles: the closed list of names, what each receives, and what it answers. A role's hooks are functions in
 * `src/roles/builtin/<role>.ts`; they are told that something about a subject changed and read what is true now
 * (engine-rules 19). They may be called again for the same thing, late, and for several changes at once.
 */
import type { Db, Tx } from '../db/client.js';
import type { Logger } from '../shared/logger.js';

/** Told after the commit, by the dispatcher, at least once. */
export const HOOK_NAMES = [
  'onNodeCreate',
  'onNodeChange',
  'onNodeDelete',
  'onNodeMove',
  'onProposed',
  'onTodo',
  'onTransition',
  'onActive',
  'onBlocked',
  'onError',
  'onDeploymentCreate',
  'onDeploymentDelete',
  'onNetworkCreate',
  'onNetworkChange',
  'onNetworkDelete',
  'onAllocationCreate',
  'onAllocationDelete',
  'onMilestone',
] as const;
export type HookName = (typeof HOOK_NAMES)[number];

/** Asked inside the deciding transaction; a throw vetoes it. Pure reads, no network, 1 s at most. */
export const VETO_HOOK_NAMES = ['onCommit', 'onNodeBind'] as const;
export type VetoHookName = (typeof VETO_HOOK_NAMES)[number];

/** One subject that a hook is told about. Read its state; `data` is of the newest event and may be old already. */
export type HookItem = {
  subjectType: string;
  subjectId: number;
  /** Highest version of the subject among the events that were put together. */
  version: number;
  /** Union of what changed: fields of a node (`bootenv`, `nics`, ...); empty where the event has none. */
  changed: string[];
  data: Record<string, unknown>;
};

/** The answer for one subject. A subject that is not answered for has failed. */
export type HookAnswer = { subjectId: number; ok: true } | { subjectId: number; ok: false; error: string };

export type HookContext = {
  db: Db;
  log: Logger;
  /** Ends when the hook has taken too long; what it began must then stop. */
  signal: AbortSignal;
  /** Runs `work` in a transaction whose events carry this hook's depth, so that loops of hooks end. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
};

export type Hook = (items: HookItem[], ctx: HookContext) => Promise<HookAnswer[]>;
/** Is asked about its role's own noderoles; what it throws is the reason that the operator reads. */
export type VetoHook = (tx: Pick<Tx, 'query'>, subject: { deploymentId: number; nodeRoleIds: number[] }) => Promise<void>;

export type RoleHooks = Partial<Record<HookName, Hook>> & Partial<Record<VetoHookName, VetoHook>>;

/** The answer of a hook that did the same for every item. */
export function allOk(items: HookItem[]): HookAnswer[] {
  return items.map((item) => ({ subjectId: item.subjectId, ok: true }));
}
