/**
 * `/webhooks`: events sent to URLs of the users. Who subscribes makes this server speak to the address given: administrators.
 * A URL often is a secret itself (it carries a token of the chat it leads to): viewers do not see it.
 */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { notify } from '../../events/outbox.js';
import { AppError, ConflictError } from '../../shared/errors.js';
import { addTestDelivery, replayDeliveries } from '../../webhooks/deliveries.js';
import { assertSendable, createWebhook, deleteWebhook, newSecret, readAddressPolicy, updateWebhook } from '../../webhooks/store.js';
import { writeAudit } from '../audit.js';
import type { ApiDeps } from '../deps.js';
import { referenced } from '../lookup.js';
import { defineRoute, type Route } from '../route.js';
import { keySchema, pageOf, pageQuerySchema, runIdSchema } from '../schemas.js';
import { listWebhookDeliveries, listWebhooks, readWebhook, readWebhookDelivery, webhookId } from '../views/webhook.js';
import * as w from '../webhooks-schemas.js';

const byKey = z.object({ key: keySchema });
const byDelivery = z.object({ key: keySchema, delivery: runIdSchema });
const tag = 'webhooks';

type Deps = Pick<ApiDeps, 'db' | 'secrets' | 'config'>;

export function webhookRoutes(deps: Deps): Route[] {
  return [...subscriptionRoutes(deps), ...deliveryRoutes(deps.db)];
}

function subscriptionRoutes({ db, secrets, config }: Deps): Route[] {
  const box = () => {
    if (secrets === undefined) throw new AppError('not-configured', 503, false, 'this server has no key to encrypt the secrets of webhooks with');
    return secrets;
  };
  const checkUrl = async (url: string | undefined): Promise<void> => {
    if (url !== undefined) assertSendable(url, await readAddressPolicy(db.pool, config.webhookAllow));
  };
  return [
    defineRoute({
      method: 'get',
      path: '/webhooks',
      scope: 'operator',
      tag,
      summary: 'List webhooks',
      query: pageQuerySchema,
      answer: pageOf(w.webhookSchema),
      handle: ({ query }) => listWebhooks(db, query),
    }),
    defineRoute({
      method: 'get',
      path: '/webhooks/:key',
      scope: 'operator',
      tag,
      summary: 'Read a webhook',
      params: byKey,
      answer: w.webhookSchema,
      handle: async ({ params }) => readWebhook(db, await webhookId(db, params.key)),
    }),
    defineRoute({
      method: 'post',
      path: '/webhooks',
      scope: 'admin',
      tag,
      summary: 'Subscribe a URL to what happens from now on; the answer alone shows the secret that signs',
      body: w.webhookCreateSchema,
      status: 201,
      answer: w.webhookWithSecretSchema,
      refusals: [409],
      async handle({ body, actor }) {
        await checkUrl(body.url);
        const secret = body.secret ?? newSecret();
        const about = await aboutOf(db, body);
        const id = await createWebhook(db, box(), {
          name: body.name,
          url: body.url,
          kinds: body.kinds ?? [],
          states: body.states ?? [],
          deploymentId: about.deploymentId ?? null,
          nodeId: about.nodeId ?? null,
          roleId: about.roleId ?? null,
          active: body.active ?? true,
          secret,
        });
        await writeAudit(db, { actor: actor.name, action: 'webhook.create', target: `webhook/${id}`, detail: { name: body.name, url: body.url } });
        return { ...(await readWebhook(db, id)), secret };
      },
    }),
    defineRoute({
      method: 'patch',
      path: '/webhooks/:key',
      scope: 'admin',
      tag,
      summary: 'Change a webhook; rotate_secret answers a new secret',
      params: byKey,
      body: w.webhookPatchSchema,
      answer: w.webhookWithSecretSchema,
      refusals: [409],
      async handle({ params, body, actor }) {
        const id = await webhookId(db, params.key);
        await checkUrl(body.url);
        const secret = body.rotate_secret === true ? newSecret() : body.secret;
        const { name, url, kinds, states, active } = body;
        const given = Object.fromEntries(Object.entries({ name, url, kinds, states, active, secret }).filter(([, value]) => value !== undefined));
        await updateWebhook(db, box(), id, { ...given, ...(await aboutOf(db, body)) });
        const { secret: _secret, ...told } = body;
        await writeAudit(db, { actor: actor.name, action: 'webhook.change', target: `webhook/${id}`, detail: told });
        return { ...(await readWebhook(db, id)), ...(body.rotate_secret === true ? { secret: secret ?? '' } : {}) };
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/webhooks/:key',
      scope: 'admin',
      tag,
      summary: 'Remove a webhook with its deliveries',
      params: byKey,
      async handle({ params, actor }) {
        const id = await webhookId(db, params.key);
        await deleteWebhook(db, id);
        await writeAudit(db, { actor: actor.name, action: 'webhook.delete', target: `webhook/${id}`, detail: { name: params.key } });
      },
    }),
  ];
}

/** Ids of what a filter names; null takes a filter away, undefined leaves it. */
async function aboutOf(db: Db, body: { deployment?: string | null | undefined; node?: string | null | undefined; role?: string | null | undefined }) {
  const idOf = async (kind: 'deployment' | 'node' | 'role') => {
    const key = body[kind];
    return typeof key === 'string' ? await referenced(db, kind, kind, key) : key;
  };
  const [deploymentId, nodeId, roleId] = [await idOf('deployment'), await idOf('node'), await idOf('role')];
  return {
    ...(deploymentId === undefined ? {} : { deploymentId }),
    ...(nodeId === undefined ? {} : { nodeId }),
    ...(roleId === undefined ? {} : { roleId }),
  };
}

function deliveryRoutes(db: Db): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/webhooks/:key/deliveries',
      scope: 'operator',
      tag,
      summary: 'List what was sent and what came back, the newest first',
      params: byKey,
      query: w.webhookDeliveryListQuerySchema,
      answer: pageOf(w.webhookDeliverySchema),
      handle: async ({ params, query }) => listWebhookDeliveries(db, await webhookId(db, params.key), query),
    }),
    defineRoute({
      method: 'get',
      path: '/webhooks/:key/deliveries/:delivery',
      scope: 'operator',
      tag,
      summary: 'Read one delivery with its body and its attempts',
      params: byDelivery,
      answer: w.webhookDeliverySchema,
      handle: async ({ params }) => readWebhookDelivery(db, await webhookId(db, params.key), params.delivery),
    }),
    defineRoute({
      method: 'post',
      path: '/webhooks/:key/test',
      scope: 'operator',
      tag,
      summary: 'Send a test event to it alone, the way every event is sent; read the delivery for the outcome',
      params: byKey,
      status: 202,
      answer: w.webhookDeliverySchema,
      refusals: [409],
      async handle({ params, actor }) {
        const id = await webhookId(db, params.key);
        const webhook = await readWebhook(db, id);
        if (!webhook.active)
          throw new ConflictError(`webhook '${webhook.name}' is paused: turn it on first (PATCH { "active": true })`, { code: 'webhook-paused' });
        const delivery = await addTestDelivery(db.pool, webhook);
        notify(db.pool);
        await writeAudit(db, { actor: actor.name, action: 'webhook.test', target: `webhook/${id}` });
        return readWebhookDelivery(db, id, delivery);
      },
    }),
    defineRoute({
      method: 'post',
      path: '/webhooks/:key/replay',
      scope: 'operator',
      tag,
      summary: 'Send dead deliveries again: all of them, or one (a delivered one as well)',
      params: byKey,
      body: w.webhookReplaySchema,
      answer: w.replayResultSchema,
      async handle({ params, body, actor }) {
        const id = await webhookId(db, params.key);
        if (body.delivery !== undefined) await readWebhookDelivery(db, id, body.delivery);
        const replayed = await replayDeliveries(db.pool, id, body.delivery ?? null);
        notify(db.pool);
        await writeAudit(db, { actor: actor.name, action: 'webhook.replay', target: `webhook/${id}`, detail: { replayed } });
        return { replayed };
      },
    }),
  ];
}
