/**
 * The node-facing router: what machines call while they boot, install and work. The API's application and the boot HTTP
 * server both mount it. Every call is checked against a token of that machine and that boot.
 */
import { Router } from 'express';
import { withTransaction, type Db } from '../../db/client.js';
import { notify } from '../../events/outbox.js';
import { recordBoot, recordHeartbeat } from '../../nodes/boot.js';
import { reportFacts } from '../../nodes/discover.js';
import { bindDiscoveryRoles } from '../../noderoles/discovery.js';
import { machineFactsSchema } from '../../nodes/machine-facts.js';
import { recordNodeStep } from '../../nodes/phase.js';
import { mintToken, revokeTokens } from '../../nodes/tokens.js';
import { ConflictError } from '../../shared/errors.js';
import type { NodeRouterDeps } from '../deps.js';
import { createErrorHandler } from '../error-handler.js';
import { mountRoutes, refuseUnknownPath } from '../mount.js';
import { agentOfBoot, nodeToken, refuseToken, tokenOfNode } from '../node-auth.js';
import * as n from '../node-schemas.js';
import { defineNodeRoute, type Route } from '../route.js';
import { installRoutes } from './node-install.js';
import { workRoutes } from './node-work.js';

/** Longest wait of a long poll, seconds: below the 30 s after which proxies and clients give up. */
export const WAIT_SECONDS_MAX = 25;

/** An agent asks for a new token with every boot; an installed machine may run a year without one. */
const AGENT_TOKEN_SECONDS = 365 * 24 * 3600;

const tag = 'machines';

/** The router with its own error handler, so that it can be mounted anywhere. */
export function createNodeRouter(deps: NodeRouterDeps): Router {
  const router = Router();
  router.use(mountRoutes(nodeFacingRoutes(deps)));
  router.use('/node', refuseUnknownPath);
  router.use(createErrorHandler(deps.log));
  return router;
}

/** The declarations, for the router and the OpenAPI document. */
export function nodeFacingRoutes(deps: NodeRouterDeps): Route[] {
  return [...bootRoutes(deps), ...workRoutes(deps), ...installRoutes(deps)];
}

function bootRoutes({ db, config }: NodeRouterDeps): Route[] {
  const start = (node: { id: number; name: string }, agentToken: string) => ({
    node,
    agent_token: agentToken,
    heartbeat_seconds: config.heartbeatSeconds,
    wait_seconds: WAIT_SECONDS_MAX,
  });
  return [
    defineNodeRoute({
      method: 'post',
      path: '/node/facts',
      tag,
      summary: 'A machine booted into memory says what it is (boot token)',
      body: machineFactsSchema,
      answer: n.agentStartSchema,
      refusals: [409],
      async handle({ body, call }) {
        const token = await nodeToken(db, call, 'boot');
        if (token.address !== call.address || token.mac === null) throw await refuseToken(db, call, token.nodeId ?? 0, 'the boot token is of another address');
        const found = await reportFacts(db, { facts: body, address: call.address, mac: token.mac, token: { bootenv: token.bootenv } });
        // At once, not only by the hook: who binds roles to a node that was just discovered finds these there.
        if (found.isNew) await bindDiscoveryRoles(db, found.nodeId);
        const agentToken = await newAgentToken(db, found.nodeId, body.boot_id);
        return start({ id: found.nodeId, name: found.name }, agentToken);
      },
    }),
    defineNodeRoute({
      method: 'post',
      path: '/node/:id/boot',
      tag,
      summary: 'An installed system is up (disk token)',
      params: n.nodePathSchema,
      body: n.diskBootSchema,
      answer: n.agentStartSchema,
      refusals: [409],
      async handle({ params, body, call }) {
        const token = await tokenOfNode(db, call, 'disk', params.id);
        if (token.installId !== body.install_id) throw await refuseToken(db, call, params.id, 'the disk token is of another installation');
        const { name, agentToken } = await startFromDisk(db, params.id, { bootId: body.boot_id, installId: body.install_id, address: call.address });
        await recordNodeStep(db, params.id, { kind: 'disk-boot', phase: 'disk', detail: [body.os, body.kernel].filter(Boolean).join(', '), at: new Date() });
        return start({ id: params.id, name }, agentToken);
      },
    }),
    defineNodeRoute({
      method: 'post',
      path: '/node/:id/heartbeat',
      tag,
      summary: 'The agent is alive (agent token)',
      params: n.nodePathSchema,
      body: n.heartbeatSchema,
      refusals: [409],
      async handle({ params, body, call }) {
        await agentOfBoot(db, call, params.id, body.boot_id);
        if (!(await recordHeartbeat(db, params.id, body.boot_id))) throw new ConflictError('the node has booted anew since', { code: 'stale-boot' });
      },
    }),
  ];
}

/** A token for the agent of this boot; the agents of earlier boots have none any more. */
async function newAgentToken(db: Db, nodeId: number, bootId: string): Promise<string> {
  return await withTransaction(db.pool, async (tx) => {
    await tx.query('SELECT 1 FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
    await revokeTokens(tx, { nodeId, kinds: ['agent'] });
    return await mintToken(tx, { kind: 'agent', nodeId, bootId, ttlSeconds: AGENT_TOKEN_SECONDS });
  });
}

type DiskBoot = { bootId: string; installId: number; address: string };

async function startFromDisk(db: Db, nodeId: number, boot: DiskBoot): Promise<{ name: string; agentToken: string }> {
  const started = await withTransaction(db.pool, async (tx) => {
    const { rows } = await tx.query<{ name: string; deleting: boolean }>('SELECT name, deleting FROM nodes WHERE id = $1 FOR NO KEY UPDATE', [nodeId]);
    const node = rows[0];
    if (node === undefined || node.deleting) throw new ConflictError('the node is being deleted', { code: 'node-deleting' });
    await revokeTokens(tx, { nodeId, kinds: ['agent'] });
    const agentToken = await mintToken(tx, { kind: 'agent', nodeId, bootId: boot.bootId, ttlSeconds: AGENT_TOKEN_SECONDS });
    // Last: it writes the events.
    await recordBoot(tx, { nodeId, bootId: boot.bootId, bootClass: 'installed', bootenv: 'local', address: boot.address, installId: boot.installId });
    return { name: node.name, agentToken };
  });
  notify(db.pool);
  return started;
}
