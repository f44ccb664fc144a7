/**
 * PURE: which roles want to hear of an event, through which of their hooks; and how calls for one subject are put together
 * (engine-rules 19). What is pending is one row for each (role, hook, subject).
 */
import type { PublishedEvent } from '../events/events.js';
import { HOOK_NAMES, type HookName, type RoleHooks } from './hooks.js';

export type Delivery = {
  role: string;
  hook: HookName;
  subjectType: string;
  subjectId: number;
  version: number;
  changed: string[];
  data: Record<string, unknown>;
  causeDepth: number;
  cohort: number;
};

/** What is known of the roles that have hooks; `id` is null when the role is not in the database. */
export type Subscribing = { name: string; id: number | null; cohort: number; hooks: ReadonlySet<HookName> };

const STATE_HOOKS: Record<string, HookName> = {
  PROPOSED: 'onProposed',
  TODO: 'onTodo',
  TRANSITION: 'onTransition',
  ACTIVE: 'onActive',
  BLOCKED: 'onBlocked',
  ERROR: 'onError',
};
const NETWORK_HOOKS: Record<string, HookName> = { created: 'onNetworkCreate', changed: 'onNetworkChange', deleted: 'onNetworkDelete' };

const ALLOCATION_HOOKS: Record<string, HookName> = { created: 'onAllocationCreate', deleted: 'onAllocationDelete' };

/** The hook names a role listens to. */
export function hooksOf(role: RoleHooks): Set<HookName> {
  return new Set(HOOK_NAMES.filter((name) => role[name] !== undefined));
}

/** The hooks an event calls. Hooks of a noderole's state are its own role's alone; all others any role may have. */
function hooksFor(event: PublishedEvent, milestones: ReadonlySet<number>): { hook: HookName; ownRole: number | null }[] {
  const { data } = event;
  switch (event.kind) {
    case 'node-created':
      return [{ hook: 'onNodeCreate', ownRole: null }];
    case 'node-changed':
      return Array.isArray(data.changed) && data.changed.includes('deployment')
        ? [
            { hook: 'onNodeChange', ownRole: null },
            { hook: 'onNodeMove', ownRole: null },
          ]
        : [{ hook: 'onNodeChange', ownRole: null }];
    case 'node-deleted':
      return [{ hook: 'onNodeDelete', ownRole: null }];
    case 'noderole-changed': {
      const hook = STATE_HOOKS[String(data.to)];
      const roleId = Number(data.role_id);
      const own = hook === undefined ? [] : [{ hook, ownRole: roleId }];
      return data.to === 'ACTIVE' && milestones.has(roleId) ? [...own, { hook: 'onMilestone', ownRole: null }] : own;
    }
    case 'deployment-created':
      return [{ hook: 'onDeploymentCreate', ownRole: null }];
    case 'deployment-deleted':
      return [{ hook: 'onDeploymentDelete', ownRole: null }];
    case 'network-changed': {
      const hook = NETWORK_HOOKS[String(data.change)];
      return hook === undefined ? [] : [{ hook, ownRole: null }];
    }
    case 'allocation-changed': {
      const hook = ALLOCATION_HOOKS[String(data.change)];
      return hook === undefined ? [] : [{ hook, ownRole: null }];
    }
    default:
      return [];
  }
}

/** The roles whose noderoles' changes of state somebody wants to hear of: those with such a hook; milestones, where a role has one for them. */
export function rolesHeard(roles: readonly Subscribing[], milestones: ReadonlySet<number>): number[] {
  const own = roles.flatMap(({ id, hooks }) => (id !== null && Object.values(STATE_HOOKS).some((hook) => hooks.has(hook)) ? [id] : []));
  return roles.some(({ hooks }) => hooks.has('onMilestone')) ? [...own, ...milestones] : own;
}

/** The deliveries of some events, put together by key, in cohort order. `milestones`: ids of the roles flagged so. */
export function matchEvents(events: readonly PublishedEvent[], roles: readonly Subscribing[], milestones: ReadonlySet<number>): Delivery[] {
  const pending = new Map<string, Delivery>();
  for (const event of events) {
    for (const { hook, ownRole } of hooksFor(event, milestones)) {
      for (const role of roles) {
        if (!role.hooks.has(hook) || (ownRole !== null && role.id !== ownRole)) continue;
        const delivery = deliveryOf(event, hook, role);
        const key = `${delivery.role} ${hook} ${delivery.subjectType} ${delivery.subjectId}`;
        const known = pending.get(key);
        pending.set(key, known === undefined ? delivery : coalesce(known, delivery));
      }
    }
  }
  return [...pending.values()].sort((a, b) => a.cohort - b.cohort);
}

function deliveryOf(event: PublishedEvent, hook: HookName, role: Subscribing): Delivery {
  const changed = Array.isArray(event.data.changed) ? event.data.changed.map(String) : [];
  return {
    role: role.name,
    hook,
    subjectType: event.subjectType,
    subjectId: event.subjectId,
    version: event.version,
    changed,
    data: event.data,
    causeDepth: event.causeDepth,
    cohort: role.cohort,
  };
}

/** Two calls for one key as one: everything that changed, the highest version, the newest data, the deepest cause. */
export function coalesce(earlier: Delivery, later: Delivery): Delivery {
  return {
    ...later,
    version: Math.max(earlier.version, later.version),
    changed: [...new Set([...earlier.changed, ...later.changed])].sort(),
    data: later.version >= earlier.version ? later.data : earlier.data,
    causeDepth: Math.max(earlier.causeDepth, later.causeDepth),
  };
}

/** A write of a hook that calls a hook that writes, this deep, is a loop. */
export const CAUSE_DEPTH_MAX = 8;
/** Tries before a delivery is parked for a human. */
export const ATTEMPTS_MAX = 10;

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 300_000;

/** Milliseconds until the next try after `attempts` failures; `random` in [0, 1) spreads those that failed together. */
export function backoffMs(attempts: number, random: number): number {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (attempts - 1)) * (0.5 + random / 2);
}
