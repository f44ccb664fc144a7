/** The OpenAPI 3.1 document, made from the same declarations that serve the requests. */
import { OpenAPIRegistry, OpenApiGeneratorV31, zodToOpenAPIRegistry, type RouteConfig } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import * as b from './barclamp-schemas.js';
import * as s from './schemas.js';
import type { Route } from './route.js';

/** Shapes that the document names instead of repeating. */
const COMPONENTS: Record<string, z.ZodType> = {
  Json: s.jsonSchema,
  Ref: s.refSchema,
  StateCounts: s.stateCountsSchema,
  Problem: s.problemSchema,
  Status: s.statusSchema,
  Anneal: s.annealSchema,
  Deployment: s.deploymentSchema,
  Matrix: s.matrixSchema,
  Role: s.roleSchema,
  Barclamp: b.barclampSchema,
  Node: s.nodeSchema,
  BootEvent: s.bootEventSchema,
  Timeline: s.timelineSchema,
  DeploymentRole: s.deploymentRoleSchema,
  NodeRole: s.nodeRoleSchema,
  Wait: s.waitSchema,
  Why: s.whySchema,
  Run: s.runSchema,
  RunLog: s.runLogSchema,
  Bootenv: s.bootenvSchema,
  Event: s.eventSchema,
};

const REFUSALS: Record<number, string> = {
  400: 'The request is not what this address accepts; `errors` names every field',
  401: 'No valid token',
  403: "The token's scope does not allow this",
  404: 'The named object does not exist',
  409: 'The present state of things refuses it',
  413: 'The body is too large',
  415: 'The body is not JSON',
  429: 'Too many requests without a valid token',
  502: 'Something outside, like a BMC, failed',
  503: 'Not ready, or busy; nothing was changed',
  504: 'Something outside, like a BMC, did not answer in time',
};

type OpenApiDocument = ReturnType<OpenApiGeneratorV31['generateDocument']>;

/** Every route with the prefix it is mounted under. */
export function openApiDocument(version: string, mounted: { prefix: string; routes: readonly Route[] }[]): OpenApiDocument {
  for (const [refId, schema] of Object.entries(COMPONENTS)) zodToOpenAPIRegistry.add(schema, { _internal: { refId } });
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'apiToken', { type: 'http', scheme: 'bearer', description: 'API token; scopes viewer, operator, admin' });
  registry.registerComponent('securitySchemes', 'nodeToken', {
    type: 'http',
    scheme: 'bearer',
    description: 'Token of one machine and one boot or installation',
  });
  for (const { prefix, routes } of mounted) for (const route of routes) registry.registerPath(operationOf(prefix, route));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'Prybar', version, description: 'Bare-metal provisioner: bind roles to nodes, commit, and watch every noderole become ACTIVE.' },
    servers: [{ url: '/' }],
  });
}

/** `/nodes/:key` as the document writes it: `/nodes/{key}`. */
export function templatePath(path: string): string {
  return path.replaceAll(/:([a-z_]+)/g, '{$1}');
}

function operationOf(prefix: string, route: Route): RouteConfig {
  const refusals = new Set([
    400,
    ...(route.access === 'node' ? [401] : [401, 403, 429]),
    ...(route.params === undefined ? [] : [404]),
    ...(route.body === undefined ? [] : [413, 415]),
    ...(route.refusals ?? []),
  ]);
  const problem = { 'application/problem+json': { schema: s.problemSchema } };
  return {
    method: route.method,
    path: templatePath(prefix + route.path),
    operationId: `${route.method}${operationWords(route.path)}`,
    summary: route.summary,
    tags: [route.tag],
    security: [route.access === 'node' ? { nodeToken: [] } : { apiToken: [route.access] }],
    request: {
      ...(route.params instanceof z.ZodObject ? { params: route.params } : {}),
      ...(route.query instanceof z.ZodObject ? { query: route.query } : {}),
      ...(route.body === undefined
        ? {}
        : { body: { required: !route.body.safeParse(undefined).success, content: bodyContent(route.body, route.acceptsForm === true) } }),
    },
    responses: {
      [route.status]: successOf(route),
      ...Object.fromEntries(
        [...refusals].toSorted((a, b) => a - b).map((status) => [status, { description: REFUSALS[status] ?? 'Refused', content: problem }]),
      ),
    },
  };
}

function bodyContent(schema: z.ZodType, acceptsForm: boolean) {
  return { 'application/json': { schema }, ...(acceptsForm ? { 'application/x-www-form-urlencoded': { schema } } : {}) };
}

function successOf(route: Route) {
  if (route.answer === undefined) return { description: 'Done' };
  return { description: 'Done', content: { [route.contentType]: { schema: route.answer } } };
}

/** `/nodes/:key/boot-events` as words: `NodesKeyBootEvents`. */
function operationWords(path: string): string {
  return path
    .split(/[^a-zA-Z]+/)
    .filter(Boolean)
    .map((word) => (word[0] ?? '').toUpperCase() + word.slice(1))
    .join('');
}
