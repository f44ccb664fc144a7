/**
 * The closed list of what happens in Prybar. An event is written in the transaction that made it true (`outbox.ts`), gets
 * its position from the sequencer (`sequencer.ts`), and is followed by position alone (`feed.ts`, engine-rules 13).
 * `version` is the subject's own counter: whoever has seen a higher one ignores the event. Ids are numbers; field names
 * inside `data` are those of the wire, because SSE and webhooks hand them on as they are.
 */

/** What an event is about. `engine` is Prybar itself: its subject id is 0. */
export type SubjectType = 'noderole' | 'run' | 'node' | 'deployment' | 'network' | 'allocation' | 'install' | 'webhook' | 'engine';

/** A part of a node that can change; hooks subscribe to these words. */
export type NodeField =
  | 'bootenv'
  | 'nics'
  | 'name'
  | 'alive'
  | 'available'
  | 'boot'
  | 'deployment'
  | 'deleting'
  | 'description'
  | 'hint'
  | 'dhcp_options'
  | 'bmc'
  | 'discovery'
  | 'target_role';

type Subject<Type extends SubjectType> = {
  subjectType: Type;
  subjectId: number;
  /** Counter of the subject at the time of the event; 0 where it keeps none. */
  version: number;
};

export type NodeRoleChanged = Subject<'noderole'> & {
  kind: 'noderole-changed';
  data: {
    from: string;
    to: string;
    node_id: number;
    role_id: number;
    deployment_id: number;
    reason?: string;
  };
};
export type RunEvent = Subject<'run'> & {
  kind: 'run-started' | 'run-waiting' | 'run-ended';
  data: { noderole_id: number; node_id: number; outcome?: string; code?: string; key?: string };
};
export type NodeCreated = Subject<'node'> & {
  kind: 'node-created';
  data: { name: string; deployment_id: number; macs: string[] };
};
export type NodeChanged = Subject<'node'> & {
  kind: 'node-changed';
  data: { changed: NodeField[] };
};
export type NodeDeleted = Subject<'node'> & {
  kind: 'node-deleted';
  data: { name: string; macs: string[] };
};
export type DeploymentEvent = Subject<'deployment'> & {
  kind: 'deployment-created' | 'deployment-changed' | 'deployment-committed' | 'deployment-deleted';
  data: Record<string, unknown>;
};
/** A rolling change began, paused, went on, changed its phase or ended; `why` says which and by whom. */
export type RolloutChanged = Subject<'deployment'> & {
  kind: 'rollout-changed';
  data: { rollout_id: number; revision: number; status: string; phase: string; reason: string | null; why: string };
};
/** Subject id 0: the MAC belongs to no node that we know. */
export type BootPhaseSeen = Subject<'node'> & {
  kind: 'boot-phase';
  data: { mac: string; phase: string; detail: string };
};
export type InstallChanged = Subject<'install'> & {
  kind: 'install-changed';
  data: Record<string, unknown>;
};
export type NetworkChanged = Subject<'network'> & {
  kind: 'network-changed';
  data: { change: 'created' | 'changed' | 'deleted'; name: string };
};
/** An address became a machine's own, or was given back. */
export type AllocationChanged = Subject<'allocation'> & {
  kind: 'allocation-changed';
  data: { change: 'created' | 'deleted'; address: string; mac: string | null; network_id: number; node_id: number | null };
};
export type TokenRefused = Subject<'node'> & {
  kind: 'token-refused';
  data: Record<string, unknown>;
};
/** A human must look. `code` is for programs, `message` for people; more fields may say what it is about. */
export type Alarm = Subject<SubjectType> & {
  kind: 'alarm';
  data: { code: string; message: string; [field: string]: unknown };
};

export type DomainEvent =
  | NodeRoleChanged
  | RunEvent
  | NodeCreated
  | NodeChanged
  | NodeDeleted
  | DeploymentEvent
  | RolloutChanged
  | BootPhaseSeen
  | InstallChanged
  | NetworkChanged
  | AllocationChanged
  | TokenRefused
  | Alarm;

export type EventKind = DomainEvent['kind'];

/** An event as its followers get it. `data` is what the writer put there; older rows may lack newer fields. */
export type PublishedEvent = {
  /** Position of its batch, and its place in the batch from 0: together the event's address. */
  pos: number;
  n: number;
  at: Date;
  kind: string;
  subjectType: string;
  subjectId: number;
  version: number;
  causeDepth: number;
  data: Record<string, unknown>;
};

/** The event "these parts of the node changed"; `version` is nodes.version after the change. */
export function nodeChanged(nodeId: number, version: number, changed: NodeField[]): NodeChanged {
  return {
    kind: 'node-changed',
    subjectType: 'node',
    subjectId: nodeId,
    version,
    data: { changed },
  };
}

/** A reservation as its table has it; without a MAC when it is only recorded. */
export type AllocationRow = { id: number; network_id: number; address: string; mac: string | null; node_id: number | null };

/** The event "this address was given to a machine", or given back. Reservations are never changed otherwise. */
export function allocationChanged(change: 'created' | 'deleted', row: AllocationRow): AllocationChanged {
  const { id, network_id, address, mac, node_id } = row;
  return { kind: 'allocation-changed', subjectType: 'allocation', subjectId: id, version: 0, data: { change, address, mac, network_id, node_id } };
}

/** The event "a human must look at this". */
export function alarm(subjectType: SubjectType, subjectId: number, code: string, message: string, more: Record<string, unknown> = {}): Alarm {
  return { kind: 'alarm', subjectType, subjectId, version: 0, data: { ...more, code, message } };
}
