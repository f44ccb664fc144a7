/** `/deployments/:id/rollout`: a deployment changed a few nodes at a time. */
import { z } from 'zod';
import type { Db } from '../../db/client.js';
import { abortRollout, pauseRollout, removeRollout, resumeRollout, setRolloutPolicy, type Amount, type RolloutPolicy } from '../../deployments/rollouts.js';
import { deploymentId, referenced } from '../lookup.js';
import { rolloutPutSchema, rolloutSchema } from '../rollout-schemas.js';
import { defineRoute, type Route } from '../route.js';
import { keySchema } from '../schemas.js';
import { readRollout } from '../views/rollout.js';

const byKey = z.object({ key: keySchema });
const tag = 'deployments';
const path = '/deployments/:key/rollout';

const VERBS = {
  pause: { act: pauseRollout, summary: 'Pause the rollout: nothing of it starts, what runs goes on to its end' },
  resume: { act: resumeRollout, summary: 'Go on with a paused rollout; the failures there are count no more' },
  abort: { act: abortRollout, summary: 'End it where it stands: nodes that have begun finish, the others are held back until the next commit' },
} as const;

export function rolloutRoutes({ db }: { db: Db }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path,
      scope: 'viewer',
      tag,
      summary: 'The rollout policy of a deployment, and how far its last rollout is',
      params: byKey,
      answer: rolloutSchema,
      handle: async ({ params }) => readRollout(db, await deploymentId(db, params.key)),
    }),
    defineRoute({
      method: 'put',
      path,
      scope: 'operator',
      tag,
      summary: 'Set the rollout policy: each later commit goes a few nodes at a time; a rollout under way takes over limit and pause',
      params: byKey,
      body: rolloutPutSchema,
      answer: rolloutSchema,
      async handle({ params, body, actor }) {
        const id = await deploymentId(db, params.key);
        await setRolloutPolicy(db, id, await policyOf(db, body), actor.name);
        return await readRollout(db, id);
      },
    }),
    defineRoute({
      method: 'delete',
      path,
      scope: 'operator',
      tag,
      summary: 'Take the policy away and end the rollout: the rest goes without limits',
      params: byKey,
      handle: async ({ params, actor }) => removeRollout(db, await deploymentId(db, params.key), actor.name),
    }),
    ...Object.entries(VERBS).map(([verb, { act, summary }]) =>
      defineRoute({
        method: 'put',
        path: `${path}/${verb}`,
        scope: 'operator',
        tag,
        summary,
        params: byKey,
        answer: rolloutSchema,
        refusals: [409],
        async handle({ params, actor }) {
          const id = await deploymentId(db, params.key);
          await act(db, id, actor.name);
          return await readRollout(db, id);
        },
      }),
    ),
  ];
}

async function policyOf(db: Db, body: z.output<typeof rolloutPutSchema>): Promise<RolloutPolicy> {
  const { canaries } = body;
  return {
    canaries: canaries === null ? null : Array.isArray(canaries) ? { nodes: await nodeIds(db, canaries) } : amountOf(canaries),
    limit: amountOf(body.in_flight),
    per: body.per,
    pause_above: body.pause_above,
    min_sample: body.min_sample,
  };
}

const amountOf = (amount: number | string): Amount => (typeof amount === 'number' ? { count: amount } : { percent: Number(amount.slice(0, -1)) });

async function nodeIds(db: Db, keys: string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const [index, key] of keys.entries()) ids.push(await referenced(db, 'node', `canaries.${index}`, key));
  return ids;
}
