/**
 * The API's Express application, built from what it is given; it does not listen. Order of the doors: security headers,
 * health, metrics, machines, operators, the web page, and at the end one handler for everything that went wrong.
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import express, { type Express, type RequestHandler } from 'express';
import { findPackageRoot } from '../db/package-root.js';
import { NotFoundError } from '../shared/errors.js';
import { authenticate } from './auth.js';
import type { ApiDeps } from './deps.js';
import { createErrorHandler } from './error-handler.js';
import { createFailedAuth, type FailedAuth } from './failed-auth.js';
import { createMetrics, type Metrics } from './metrics.js';
import { mountRoutes, refuseUnknownPath } from './mount.js';
import { openApiDocument } from './openapi.js';
import { createQueueBoard, QUEUES_PATH } from './queue-board.js';
import { defineStream, type Route } from './route.js';
import { barclampRoutes } from './routes/barclamps.js';
import { allocationRoutes } from './routes/allocations.js';
import { attribRoutes } from './routes/attribs.js';
import { batchRoutes } from './routes/batch.js';
import { bootAuthorityRoutes } from './routes/boot-authority.js';
import { bootRoutes } from './routes/boot.js';
import { bootenvRoutes } from './routes/bootenvs.js';
import { dhcpAskRoutes } from './routes/dhcp-ask.js';
import { dhcpImportRoutes } from './routes/dhcp-import.js';
import { capRoutes } from './routes/caps.js';
import { externalRoutes } from './routes/external.js';
import { deploymentPlanRoutes } from './routes/deployment-plan.js';
import { deploymentRoleRoutes } from './routes/deployment-roles.js';
import { deploymentRoutes } from './routes/deployments.js';
import { dnsRoutes } from './routes/dns.js';
import { eventRoutes } from './routes/events.js';
import { healthRouter } from './routes/health.js';
import { hookRoutes } from './routes/hooks.js';
import { networkRoutes } from './routes/networks.js';
import { createNodeRouter, nodeFacingRoutes } from './routes/node.js';
import { nodeMoveRoutes } from './routes/node-moves.js';
import { nodePowerRoutes } from './routes/node-power.js';
import { nodeRoleRoutes } from './routes/node-roles.js';
import { nodeRoutes } from './routes/nodes.js';
import { redeployRoutes } from './routes/redeploy.js';
import { roleRoutes } from './routes/roles.js';
import { bulkRoutes } from './routes/bulk.js';
import { rolloutRoutes } from './routes/rollouts.js';
import { runRoutes } from './routes/runs.js';
import { statusRoutes } from './routes/status.js';
import { tokenRoutes } from './routes/tokens.js';
import { transferRoutes } from './routes/transfers.js';
import { webhookRoutes } from './routes/webhooks.js';
import { securityHeaders, staticRouter } from './static.js';

export const API_PREFIX = '/api/v2';

/** Failed tokens a minute and address, before 429. */
const FAILED_AUTH_PER_MINUTE = 60;

export type ApiApp = {
  app: Express;
  /** Every declared route with its prefix, as in the OpenAPI document. */
  mounted: { prefix: string; routes: Route[] }[];
  /** Ends event streams and long polls, so that the server can close. Safe to repeat. */
  close: () => Promise<void>;
};

/** Builds the application. `webDirectory` defaults to the built page of this package. */
export function createApp(deps: ApiDeps & { webDirectory?: string }): ApiApp {
  const { db, feed, log } = deps;
  const closing = new AbortController();
  const failures = createFailedAuth(FAILED_AUTH_PER_MINUTE);
  const metrics = createMetrics(db);
  const stopCounting = feed.subscribe(feed.position(), (events) => {
    for (const event of events) if (event.kind === 'noderole-changed' && typeof event.data['to'] === 'string') metrics.countTransition(event.data['to']);
  });
  const mounted = [
    { prefix: API_PREFIX, routes: apiRoutes(deps, closing.signal) },
    { prefix: '', routes: nodeFacingRoutes({ ...deps, closing: closing.signal }) },
  ];
  mounted[0]?.routes.push(openApiRoute(() => openApiDocument(deps.version, mounted)));

  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple').set('trust proxy', false);
  app.use(identify, securityHeaders, metrics.measure);
  app.use(healthRouter(deps));
  app.get('/metrics', metricsHandler(deps, failures, metrics));
  app.use(createNodeRouter({ ...deps, closing: closing.signal }));
  app.use(API_PREFIX, mountRoutes(mounted[0]?.routes ?? [], { db, failures }), refuseUnknownPath);
  const board = deps.queueBackend === undefined ? undefined : createQueueBoard({ db, failures, backend: deps.queueBackend });
  if (board !== undefined) app.use(QUEUES_PATH, board.router);
  app.use(staticRouter(deps.webDirectory ?? path.join(findPackageRoot(), 'dist', 'web')));
  app.use((req, _res, next) => next(new NotFoundError('path', req.path.slice(0, 200))));
  app.use(createErrorHandler(log));
  return {
    app,
    mounted,
    async close() {
      stopCounting();
      closing.abort();
      await board?.close();
    },
  };
}

function apiRoutes(deps: ApiDeps, closing: AbortSignal): Route[] {
  return [
    ...statusRoutes({ ...deps, databaseKind: deps.databaseKind ?? (deps.config.databaseUrl === undefined ? 'embedded' : 'external') }),
    ...deploymentRoutes(deps),
    ...deploymentPlanRoutes(deps),
    ...redeployRoutes(deps),
    ...batchRoutes(deps),
    ...rolloutRoutes(deps),
    ...roleRoutes(deps),
    ...barclampRoutes(deps),
    ...nodeRoutes(deps),
    ...nodeMoveRoutes(deps),
    ...nodePowerRoutes(deps),
    ...bootRoutes(deps),
    ...dhcpAskRoutes(deps),
    ...dhcpImportRoutes(deps),
    ...networkRoutes(deps),
    ...allocationRoutes(deps),
    ...dnsRoutes(deps),
    ...tokenRoutes(deps),
    ...deploymentRoleRoutes(deps),
    ...bulkRoutes(deps),
    ...nodeRoleRoutes(deps),
    ...runRoutes(deps),
    ...attribRoutes(deps),
    ...capRoutes(deps),
    ...externalRoutes(deps),
    ...bootenvRoutes(deps),
    ...hookRoutes(deps),
    ...transferRoutes(deps),
    ...bootAuthorityRoutes(deps),
    ...webhookRoutes(deps),
    ...eventRoutes({ ...deps, closing }),
  ];
}

/** The document, made when it is first asked for: it describes this route as well. */
function openApiRoute(make: () => object): Route {
  let document: string | undefined;
  return defineStream({
    method: 'get',
    path: '/openapi.json',
    scope: 'viewer',
    tag: 'status',
    summary: 'This document',
    contentType: 'application/json',
    async handle({ call }) {
      document ??= JSON.stringify(make());
      call.res.type('application/json').send(document);
    },
  });
}

/** A name for the request, in the answer and in the log of what went wrong. One a client sends is not taken over. */
const identify: RequestHandler = (_req, res, next) => {
  const requestId = randomUUID();
  res.locals.requestId = requestId;
  res.set('X-Request-Id', requestId);
  next();
};

/** From this machine anybody may read the metrics; from elsewhere a token is needed. */
function metricsHandler(deps: ApiDeps, failures: FailedAuth, metrics: Metrics): RequestHandler {
  return async (req, res) => {
    if (!isLoopback(req.socket.remoteAddress ?? '')) await authenticate(deps.db, failures, req);
    res
      .type(metrics.registry.contentType)
      .set('Cache-Control', 'no-store')
      .send(await metrics.registry.metrics());
  };
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}
