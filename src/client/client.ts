/**
 * The typed client of the API: the only way the CLI, the web page and the demo reach the server. Runs in a browser and
 * in Node. One method per endpoint; every answer is checked against src/api/schemas.ts at this door.
 */
import { z } from 'zod';
import { bulkResultSchema, type Bulk } from '../api/bulk-schemas.js';
import { capListSchema } from '../api/caps-schemas.js';
import type { RoleListQuery } from '../api/milestone-schemas.js';
import { moveResultSchema, targetSchema, type TargetPut } from '../api/node-move-schemas.js';
import { deletionSchema, type CascadeQuery, type NodeDeleteQuery } from '../api/removal-schemas.js';
import { rolloutSchema, type RolloutPut } from '../api/rollout-schemas.js';
import { batchResultSchema, type Batch } from '../api/batch-schemas.js';
import { runDetailSchema, type ForceEnd } from '../api/run-schemas.js';
import * as b from '../api/barclamp-schemas.js';
import { bootDoctorSchema, bootTimelineSchema, type BootTimelineQuery } from '../api/boot-schemas.js';
import * as a from '../api/attribs-schemas.js';
import * as p from '../api/plan-schemas.js';
import * as s from '../api/schemas.js';
import * as h from '../api/hooks-schemas.js';
import * as t from '../api/token-schemas.js';
import * as w from '../api/webhooks-schemas.js';
import { bootServices } from './boot-services.js';
import { followEvents, type ApiEvent, type EventsOptions } from './events.js';
import { requestJson, type CallOptions, type ClientOptions } from './request.js';
import { segment, verbsOf, type Key, type PageQuery } from './verbs.js';

export { ClientError } from './request.js';
export type { CallOptions, ClientOptions } from './request.js';
export type { ApiEvent, EventsOptions } from './events.js';
export type { Key } from './verbs.js';
export { RUN_OUTCOMES, RUN_STATUSES } from '../api/schemas.js';
export type { Deployment, Node } from '../api/schemas.js';

export type Client = ReturnType<typeof createClient>;

const healthSchema = z.object({ ok: z.boolean() });
const readySchema = z.object({ ok: z.boolean(), database: z.boolean(), queue: z.boolean(), migrations: z.boolean() });
export type Ready = z.infer<typeof readySchema>;

/** A container of attribs: where its resource is, and its key there. */
export type AttribsOf = { kind: 'node_roles' | 'deployment_roles' | 'nodes'; key: Key };
const attribsPath = ({ kind, key }: AttribsOf): string => `/${kind}/${segment(key)}/attribs`;

/** Builds the client. Nothing is sent until a method is called; it holds no connection. */
export function createClient(options: ClientOptions) {
  const verbs = verbsOf(options);
  const { get, write, remove } = verbs;

  return {
    ...bootServices(verbs),
    /** The same, for one's own use of the address or the token. */
    options,
    status: (call?: CallOptions) => get('/status', s.statusSchema, call),
    anneal: (call?: CallOptions) => get('/anneal', s.annealSchema, call),
    health: (call?: CallOptions) => requestJson(options, { method: 'GET', path: '/healthz', answer: healthSchema, signal: call?.signal }),
    /** Throws ClientError 503 while the server is not ready. */
    ready: (call?: CallOptions) => requestJson(options, { method: 'GET', path: '/readyz', answer: readySchema, signal: call?.signal }),
    /** Follows the event stream; reconnects by itself; ends when `signal` aborts. */
    events: (events: EventsOptions = {}): AsyncIterable<ApiEvent> => followEvents(options, events),

    /** Deployments, nodes, bindings and commits, all or nothing. */
    batch: (body: Batch, call?: CallOptions) => write('POST', '/batch', batchResultSchema, body, call),

    deployments: {
      list: (query?: PageQuery, call?: CallOptions) => get('/deployments', s.pageOf(s.deploymentSchema), call, query),
      get: (key: Key, call?: CallOptions) => get(`/deployments/${segment(key)}`, s.deploymentSchema, call),
      create: (body: s.DeploymentCreate, call?: CallOptions) => write('POST', '/deployments', s.deploymentSchema, body, call),
      update: (key: Key, body: s.DeploymentPatch, call?: CallOptions) => write('PATCH', `/deployments/${segment(key)}`, s.deploymentSchema, body, call),
      remove: (key: Key, options?: { recursive?: boolean }, call?: CallOptions) =>
        remove(`/deployments/${segment(key)}${options?.recursive === true ? '?recursive=true' : ''}`, call),
      /** Changes nothing. */
      plan: (key: Key, body?: p.PlanRequest, call?: CallOptions) => write('POST', `/deployments/${segment(key)}/plan`, p.planSchema, body, call),
      commit: (key: Key, body?: p.CommitRequest, call?: CallOptions) => write('PUT', `/deployments/${segment(key)}/commit`, s.commitResultSchema, body, call),
      recall: (key: Key, body?: { stop?: boolean }, call?: CallOptions) => write('PUT', `/deployments/${segment(key)}/recall`, s.deploymentSchema, body, call),
      propose: (key: Key, body?: { force?: boolean }, call?: CallOptions) =>
        write('PUT', `/deployments/${segment(key)}/propose`, p.proposeResultSchema, body, call),
      revisions: (key: Key, query?: PageQuery, call?: CallOptions) =>
        get(`/deployments/${segment(key)}/revisions`, s.pageOf(p.revisionHeadSchema), call, query),
      revision: (key: Key, revision: number, call?: CallOptions) => get(`/deployments/${segment(key)}/revisions/${revision}`, p.revisionSchema, call),
      diff: (key: Key, revision: number, query?: { against?: number }, call?: CallOptions) =>
        get(`/deployments/${segment(key)}/revisions/${revision}/diff`, p.revisionDiffSchema, call, query),
      /** Proposes; commits nothing. */
      rollback: (key: Key, body: p.RollbackRequest, call?: CallOptions) => write('POST', `/deployments/${segment(key)}/rollback`, p.rollbackSchema, body, call),
      /** Erases disks. */
      redeploy: (key: Key, ask: { force?: boolean | undefined } = {}, call?: CallOptions) =>
        write('PUT', `/deployments/${segment(key)}/redeploy`, p.redeploySchema, { erase: true, ...ask }, call),
      matrix: (key: Key, call?: CallOptions) => get(`/deployments/${segment(key)}/matrix`, s.matrixSchema, call),
      rollout: (key: Key, call?: CallOptions) => get(`/deployments/${segment(key)}/rollout`, rolloutSchema, call),
      setRollout: (key: Key, body: RolloutPut, call?: CallOptions) => write('PUT', `/deployments/${segment(key)}/rollout`, rolloutSchema, body, call),
      turnRollout: (key: Key, verb: 'pause' | 'resume' | 'abort', call?: CallOptions) =>
        write('PUT', `/deployments/${segment(key)}/rollout/${verb}`, rolloutSchema, undefined, call),
      removeRollout: (key: Key, call?: CallOptions) => remove(`/deployments/${segment(key)}/rollout`, call),
    },
    roles: {
      list: (query?: RoleListQuery, call?: CallOptions) => get('/roles', s.pageOf(s.roleSchema), call, query),
      get: (key: Key, call?: CallOptions) => get(`/roles/${segment(key)}`, s.roleSchema, call),
    },
    barclamps: {
      list: (query?: PageQuery, call?: CallOptions) => get('/barclamps', s.pageOf(b.barclampSchema), call, query),
      get: (name: string, call?: CallOptions) => get(`/barclamps/${segment(name)}`, b.barclampDetailSchema, call),
      import: (body: b.BarclampImport, call?: CallOptions) => write('POST', '/barclamps', b.barclampImportResultSchema, body, call),
      remove: (name: string, call?: CallOptions) => remove(`/barclamps/${segment(name)}`, call),
    },
    nodes: {
      list: (query?: s.NodeListQuery, call?: CallOptions) => get('/nodes', s.pageOf(s.nodeSchema), call, query),
      get: (key: Key, call?: CallOptions) => get(`/nodes/${segment(key)}`, s.nodeSchema, call),
      create: (body: s.NodeCreate, call?: CallOptions) => write('POST', '/nodes', s.nodeSchema, body, call),
      update: (key: Key, body: s.NodePatch, call?: CallOptions) => write('PATCH', `/nodes/${segment(key)}`, s.nodeSchema, body, call),
      remove: (key: Key, query?: NodeDeleteQuery, call?: CallOptions) => remove(`/nodes/${segment(key)}`, call, query),
      move: (key: Key, deployment: Key, call?: CallOptions) =>
        write('PUT', `/nodes/${segment(key)}/move`, moveResultSchema, { deployment: String(deployment) }, call),
      target: (key: Key, call?: CallOptions) => get(`/nodes/${segment(key)}/target-role`, targetSchema, call),
      setTarget: (key: Key, body: TargetPut, call?: CallOptions) => write('PUT', `/nodes/${segment(key)}/target-role`, targetSchema, body, call),
      deletion: (key: Key, call?: CallOptions) => get(`/nodes/${segment(key)}/deletion`, deletionSchema, call),
      setBmc: (key: Key, body: s.BmcPut, call?: CallOptions) => write('PUT', `/nodes/${segment(key)}/bmc`, s.nodeSchema, body, call),
      /** Returns when the BMC agrees. */
      power: (key: Key, body: s.PowerPut, call?: CallOptions) => write('PUT', `/nodes/${segment(key)}/power`, s.nodeSchema, body, call),
      bootEvents: (key: Key, query?: PageQuery, call?: CallOptions) => get(`/nodes/${segment(key)}/boot-events`, s.pageOf(s.bootEventSchema), call, query),
      /** Erases its disk. */
      redeploy: (key: Key, ask: { force?: boolean | undefined } = {}, call?: CallOptions) =>
        write('PUT', `/nodes/${segment(key)}/redeploy`, p.redeploySchema, { erase: true, ...ask }, call),
      bootTimeline: (key: Key, query?: BootTimelineQuery, call?: CallOptions) => get(`/nodes/${segment(key)}/boot-timeline`, bootTimelineSchema, call, query),
      bootDoctor: (key: Key, call?: CallOptions) => get(`/nodes/${segment(key)}/boot-doctor`, bootDoctorSchema, call),
      timeline: (key: Key, query?: { limit?: number }, call?: CallOptions) => get(`/nodes/${segment(key)}/timeline`, s.timelineSchema, call, query),
    },
    deploymentRoles: {
      list: (query?: s.DeploymentRoleListQuery, call?: CallOptions) => get('/deployment_roles', s.pageOf(s.deploymentRoleSchema), call, query),
      get: (id: number, call?: CallOptions) => get(`/deployment_roles/${segment(id)}`, s.deploymentRoleSchema, call),
      setData: (id: number, data: s.DataPut['data'], call?: CallOptions) =>
        write('PUT', `/deployment_roles/${segment(id)}`, s.deploymentRoleSchema, { data }, call),
    },
    nodeRoles: {
      list: (query?: s.NodeRoleListQuery, call?: CallOptions) => get('/node_roles', s.pageOf(s.nodeRoleSchema), call, query),
      get: (key: Key, call?: CallOptions) => get(`/node_roles/${segment(key)}`, s.nodeRoleSchema, call),
      bind: (body: s.Bind, call?: CallOptions) => write('POST', '/node_roles', s.bindResultSchema, body, call),
      setData: (key: Key, data: s.DataPut['data'], call?: CallOptions) => write('PUT', `/node_roles/${segment(key)}`, s.nodeRoleSchema, { data }, call),
      unbind: (key: Key, query?: CascadeQuery, call?: CallOptions) => remove(`/node_roles/${segment(key)}`, call, query),
      retry: (key: Key, call?: CallOptions) => write('PUT', `/node_roles/${segment(key)}/retry`, s.nodeRoleSchema, undefined, call),
      rerun: (key: Key, call?: CallOptions) => write('PUT', `/node_roles/${segment(key)}/rerun`, s.nodeRoleSchema, undefined, call),
      /** Everything the filter names, in one transaction. */
      retryAll: (body: Bulk, call?: CallOptions) => write('PUT', '/node_roles/retry', bulkResultSchema, body, call),
      rerunAll: (body: Bulk, call?: CallOptions) => write('PUT', '/node_roles/rerun', bulkResultSchema, body, call),
      cancel: (key: Key, call?: CallOptions) => write('PUT', `/node_roles/${segment(key)}/cancel`, s.nodeRoleSchema, undefined, call),
      propose: (key: Key, call?: CallOptions) => write('PUT', `/node_roles/${segment(key)}/propose`, s.nodeRoleSchema, undefined, call),
      /** Erases the disk. */
      redeploy: (key: Key, ask: { force?: boolean | undefined } = {}, call?: CallOptions) =>
        write('PUT', `/node_roles/${segment(key)}/redeploy`, p.redeploySchema, { erase: true, ...ask }, call),
      why: (key: Key, call?: CallOptions) => get(`/node_roles/${segment(key)}/why`, s.whySchema, call),
      runs: (key: Key, query?: PageQuery, call?: CallOptions) => get(`/node_roles/${segment(key)}/runs`, s.pageOf(s.runSchema), call, query),
    },
    runs: {
      list: (query?: s.RunListQuery, call?: CallOptions) => get('/runs', s.pageOf(s.runSchema), call, query),
      get: (id: number, call?: CallOptions) => get(`/runs/${segment(id)}`, runDetailSchema, call),
      forceEnd: (id: number, body: ForceEnd, call?: CallOptions) => write('POST', `/runs/${segment(id)}/force-end`, runDetailSchema, body, call),
      logs: (id: number, query?: s.LogQuery, call?: CallOptions) => get(`/runs/${segment(id)}/logs`, s.runLogSchema, call, query),
    },
    hooks: {
      list: (query?: h.HookListQuery, call?: CallOptions) => get('/hooks', s.pageOf(h.hookDeliverySchema), call, query),
      get: (id: number, call?: CallOptions) => get(`/hooks/${segment(id)}`, h.hookDeliverySchema, call),
      replay: (body: h.HookReplay, call?: CallOptions) => write('POST', '/hooks/replay', h.hookReplayResultSchema, body, call),
      drop: (id: number, call?: CallOptions) => remove(`/hooks/${segment(id)}`, call),
    },
    tokens: {
      list: (query?: PageQuery, call?: CallOptions) => get('/tokens', s.pageOf(t.tokenSchema), call, query),
      /** The answer alone holds the token. */
      create: (body: t.TokenCreate, call?: CallOptions) => write('POST', '/tokens', t.tokenWithTextSchema, body, call),
      revoke: (id: number, call?: CallOptions) => remove(`/tokens/${segment(id)}`, call),
    },
    webhooks: {
      list: (query?: PageQuery, call?: CallOptions) => get('/webhooks', s.pageOf(w.webhookSchema), call, query),
      get: (key: Key, call?: CallOptions) => get(`/webhooks/${segment(key)}`, w.webhookSchema, call),
      /** The answer alone holds the secret. */
      create: (body: w.WebhookCreate, call?: CallOptions) => write('POST', '/webhooks', w.webhookWithSecretSchema, body, call),
      update: (key: Key, body: w.WebhookPatch, call?: CallOptions) => write('PATCH', `/webhooks/${segment(key)}`, w.webhookWithSecretSchema, body, call),
      remove: (key: Key, call?: CallOptions) => remove(`/webhooks/${segment(key)}`, call),
      test: (key: Key, call?: CallOptions) => write('POST', `/webhooks/${segment(key)}/test`, w.webhookDeliverySchema, undefined, call),
      replay: (key: Key, body: w.WebhookReplay, call?: CallOptions) => write('POST', `/webhooks/${segment(key)}/replay`, w.replayResultSchema, body, call),
      deliveries: (key: Key, query?: w.WebhookDeliveryListQuery, call?: CallOptions) =>
        get(`/webhooks/${segment(key)}/deliveries`, s.pageOf(w.webhookDeliverySchema), call, query),
      delivery: (key: Key, id: number, call?: CallOptions) => get(`/webhooks/${segment(key)}/deliveries/${segment(id)}`, w.webhookDeliverySchema, call),
    },
    caps: {
      list: (call?: CallOptions) => get('/caps', capListSchema, call),
      set: (name: string, max: number | null, call?: CallOptions) => write('PUT', `/caps/${segment(name)}`, capListSchema, { max }, call),
    },
    attribs: {
      list: (of: AttribsOf, call?: CallOptions) => get(`${attribsPath(of)}`, a.attribListSchema, call),
      get: (of: AttribsOf, name: string, query?: a.AttribQuery, call?: CallOptions) =>
        get(`${attribsPath(of)}/${segment(name)}`, a.attribOneSchema, call, query),
      set: (of: AttribsOf, name: string, value: a.AttribPut['value'], call?: CallOptions) =>
        write('PUT', `${attribsPath(of)}/${segment(name)}`, a.attribOneSchema, { value }, call),
      unset: (of: AttribsOf, name: string, call?: CallOptions) => remove(`${attribsPath(of)}/${segment(name)}`, call),
      /** Free JSON that counts for nothing. */
      note: (of: AttribsOf, name: string, value: a.AttribPut['value'], call?: CallOptions) =>
        write('PUT', `${attribsPath(of)}/${segment(name)}?bucket=notes`, a.attribOneSchema, { value }, call),
      removeNote: (of: AttribsOf, name: string, call?: CallOptions) => remove(`${attribsPath(of)}/${segment(name)}?bucket=notes`, call),
      inputs: (run: number, query?: a.RunInputsQuery, call?: CallOptions) => get(`/runs/${segment(run)}/inputs`, a.runInputsSchema, call, query),
    },
  };
}

/** Every item of a list, page after page: `for await (const node of everyItem((after) => client.nodes.list({ after })))`. */
export async function* everyItem<Item>(page: (after: string | undefined) => Promise<s.Page<Item>>): AsyncGenerator<Item, void, undefined> {
  let after: string | undefined;
  do {
    const { items, next } = await page(after);
    yield* items;
    after = next ?? undefined;
  } while (after !== undefined);
}
