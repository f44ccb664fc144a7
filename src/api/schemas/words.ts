/** PURE: words with a closed list, and counts by them. */
import { z } from 'zod';
import { answer } from './shapes.js';

export const NODE_ROLE_STATES = ['PROPOSED', 'BLOCKED', 'TODO', 'TRANSITION', 'ACTIVE', 'ERROR'] as const;
export const nodeRoleStateSchema = z.enum(NODE_ROLE_STATES);
export type NodeRoleState = z.infer<typeof nodeRoleStateSchema>;

/** OpenCrowbar's numbers, kept on the wire. */
export const NODE_ROLE_STATE_CODES = { PROPOSED: 4, BLOCKED: 3, TRANSITION: 2, TODO: 1, ACTIVE: 0, ERROR: -1 } as const satisfies Record<NodeRoleState, number>;

export const deploymentStateSchema = z.enum(['proposed', 'committed', 'active', 'error']);
export type DeploymentState = z.infer<typeof deploymentStateSchema>;

export const RUN_STATUSES = ['QUEUED', 'RUNNING', 'WAITING', 'WAKING', 'STOPPING', 'ENDED'] as const;
export const runStatusSchema = z.enum(RUN_STATUSES);
export type RunStatus = z.infer<typeof runStatusSchema>;

export const RUN_OUTCOMES = [
  'succeeded',
  'skipped',
  'failed',
  'retryable',
  'cancelled',
  'superseded',
  'node-rebooted',
  'node-lost',
  'lease-lost',
  'internal-error',
] as const;
export const runOutcomeSchema = z.enum(RUN_OUTCOMES);
export type RunOutcome = z.infer<typeof runOutcomeSchema>;

export const bootClassSchema = z.enum(['discovery', 'installer', 'installed', 'maintenance']);
export type BootClass = z.infer<typeof bootClassSchema>;

export const scopeSchema = z.enum(['admin', 'operator', 'viewer']);
export type Scope = z.infer<typeof scopeSchema>;

/** How many noderoles are in each state. */
export const stateCountsSchema = answer({ PROPOSED: z.int(), BLOCKED: z.int(), TODO: z.int(), TRANSITION: z.int(), ACTIVE: z.int(), ERROR: z.int() });
export type StateCounts = z.infer<typeof stateCountsSchema>;
