/**
 * The public contract of the API as zod shapes: what `/api/v2` accepts and what it answers. The server checks requests
 * with them, OpenAPI is made from them, and the client, the CLI and the web page take their types from them.
 * Imports nothing but zod, so that a browser can load it. Requests refuse unknown fields; answers may gain some.
 */
export * from './schemas/words.js';
export * from './schemas/problem.js';
export * from './schemas/status.js';
export * from './schemas/deployments.js';
export * from './schemas/roles.js';
export * from './schemas/nodes.js';
export * from './schemas/noderoles.js';
export * from './schemas/runs.js';
export * from './schemas/bootenvs.js';
export * from './schemas/events.js';
export {
  PAGE_LIMIT_MAX,
  PAGE_LIMIT_DEFAULT,
  jsonSchema,
  jsonObjectSchema,
  keySchema,
  idSchema,
  runIdSchema,
  refSchema,
  pageOf,
  pageQuerySchema,
  type Page,
  type Ref,
} from './schemas/shapes.js';
