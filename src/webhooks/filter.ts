/** PURE: which events a webhook is sent, and what it is sent of them. */
import type { PublishedEvent } from '../events/events.js';

/** A subscription as far as matching goes. Empty lists and nulls do not restrict. */
export type Subscription = {
  id: number;
  name: string;
  kinds: readonly string[];
  states: readonly string[];
  deploymentId: number | null;
  nodeId: number | null;
  roleId: number | null;
  fromPos: number;
};

/** What an event is about, as far as it is known; a filter on what is not known does not match. */
export type Concerns = { deploymentId: number | null; nodeId: number | null; roleId: number | null };

/** Noderoles that events mention, by id. */
export type KnownNodeRoles = ReadonlyMap<number, { deploymentId: number; nodeId: number; roleId: number }>;
/** Deployments of the nodes that events mention, by node id. */
export type KnownNodes = ReadonlyMap<number, number>;

/** Ids in the event itself: its subject, and the `*_id` fields of its data. */
export function mentioned(event: PublishedEvent): { nodeRoleId: number | null; nodeId: number | null; deploymentId: number | null; roleId: number | null } {
  const subject = (type: string) => (event.subjectType === type && event.subjectId > 0 ? event.subjectId : null);
  return {
    nodeRoleId: subject('noderole') ?? idIn(event.data, 'noderole_id'),
    nodeId: subject('node') ?? idIn(event.data, 'node_id'),
    deploymentId: subject('deployment') ?? idIn(event.data, 'deployment_id'),
    roleId: idIn(event.data, 'role_id'),
  };
}

function idIn(data: Record<string, unknown>, field: string): number | null {
  const value = data[field];
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : null;
}

/** What the event is about, with what the database says of the noderole and the node it mentions. */
export function concernsOf(event: PublishedEvent, nodeRoles: KnownNodeRoles, nodes: KnownNodes): Concerns {
  const told = mentioned(event);
  const nodeRole = told.nodeRoleId === null ? undefined : nodeRoles.get(told.nodeRoleId);
  const nodeId = told.nodeId ?? nodeRole?.nodeId ?? null;
  return {
    nodeId,
    roleId: told.roleId ?? nodeRole?.roleId ?? null,
    deploymentId: told.deploymentId ?? nodeRole?.deploymentId ?? (nodeId === null ? null : (nodes.get(nodeId) ?? null)),
  };
}

/** Whether the webhook is sent the event. A webhook is never told of its own troubles: telling it would make more of them. */
export function isSent(webhook: Subscription, event: PublishedEvent, concerns: Concerns): boolean {
  if (event.pos <= webhook.fromPos) return false;
  if (event.subjectType === 'webhook' && event.subjectId === webhook.id) return false;
  if (webhook.kinds.length > 0 && !webhook.kinds.includes(event.kind)) return false;
  if (webhook.states.length > 0 && !(event.kind === 'noderole-changed' && webhook.states.includes(String(event.data.to)))) return false;
  if (webhook.deploymentId !== null && webhook.deploymentId !== concerns.deploymentId) return false;
  if (webhook.nodeId !== null && webhook.nodeId !== concerns.nodeId) return false;
  return webhook.roleId === null || webhook.roleId === concerns.roleId;
}

/** Whether any of them needs more than the event itself. */
export function needsConcerns(webhooks: readonly Subscription[]): boolean {
  return webhooks.some((webhook) => webhook.deploymentId !== null || webhook.nodeId !== null || webhook.roleId !== null);
}

/** The body that is sent: the delivery's id, and the event as the stream shows it. Exactly these bytes are signed. */
export function bodyOf(delivery: { uid: string; webhook: string; eventId: string | null; event: Omit<PublishedEvent, 'pos' | 'n' | 'causeDepth'> }): string {
  const { event } = delivery;
  return JSON.stringify({
    id: delivery.uid,
    webhook: delivery.webhook,
    event: {
      id: delivery.eventId,
      kind: event.kind,
      at: event.at.toISOString(),
      subject_type: event.subjectType,
      subject_id: event.subjectId,
      version: event.version,
      data: event.data,
    },
  });
}
