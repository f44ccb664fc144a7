/**
 * The public contract of the API as zod shapes: what `/api/v2` accepts and what it answers. The server checks requests
 * with them, OpenAPI is made from them, and the client, the CLI and the web page take their types from them.
 * Imports nothing but zod, so that a browser can load it. Requests refuse unknown fields; answers may gain some.
 */
import { z } from 'zod';

/** Answer object: fields this version does not know are dropped, so an older client reads a newer server. */
const answer = z.object;
/** Request object: an unknown field is refused, because a misspelt one would silently do nothing. */
const request = z.strictObject;

/** Rows a page may hold at most, and holds when nothing is asked. */
export const PAGE_LIMIT_MAX = 1000;
export const PAGE_LIMIT_DEFAULT = 50;

const time = z.iso.datetime();
const jsonObject = z.record(z.string(), z.unknown());
/** Any JSON value; one object, so that the OpenAPI document names it. */
export const jsonSchema = z.json();
/** An object in a request: nothing that is not JSON comes past the door. */
export const jsonObjectSchema = z.record(z.string(), jsonSchema);

/** Names of deployments, nodes and roles: they appear in URLs, host names and shells. */
const name = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'small letters, digits, dots and dashes, beginning and ending with a letter or digit')
  .refine((value) => !/^\d+$/.test(value), 'may not be a number alone, because objects are addressed by id or name');

/** An object's id or its name, as it stands in a path, a filter or a reference. */
export const keySchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[A-Za-z0-9._@-]+$/, 'an id or a name');
/** The same in a JSON body, where an id may be a number. */
const reference = z.union([z.number().int().positive().transform(String), keySchema]);
/** An id in a path or a filter: PostgreSQL's int4. */
export const idSchema = z.coerce.number<number>().int().positive().max(2_147_483_647);
/** Id of a run: int8. */
export const runIdSchema = z.coerce.number<number>().int().positive();

/** A flag in a query: the words true and false; a caller of the client writes a boolean. */
const flag = z.union([z.boolean(), z.enum(['true', 'false'])]).transform((value) => value === true || value === 'true');

/** Id and name: how one object mentions another. */
export const refSchema = answer({ id: z.int(), name: z.string() });
export type Ref = z.infer<typeof refSchema>;

// --- words with a closed list ---------------------------------------------------------------------------------------

export const NODE_ROLE_STATES = ['PROPOSED', 'BLOCKED', 'TODO', 'TRANSITION', 'ACTIVE', 'ERROR'] as const;
export const nodeRoleStateSchema = z.enum(NODE_ROLE_STATES);
export type NodeRoleState = z.infer<typeof nodeRoleStateSchema>;

/** OpenCrowbar's numbers, kept on the wire. */
export const NODE_ROLE_STATE_CODES = { PROPOSED: 4, BLOCKED: 3, TRANSITION: 2, TODO: 1, ACTIVE: 0, ERROR: -1 } as const satisfies Record<NodeRoleState, number>;

export const deploymentStateSchema = z.enum(['proposed', 'committed', 'active', 'error']);
export type DeploymentState = z.infer<typeof deploymentStateSchema>;

export const runStatusSchema = z.enum(['QUEUED', 'RUNNING', 'WAITING', 'WAKING', 'STOPPING', 'ENDED']);
export type RunStatus = z.infer<typeof runStatusSchema>;

export const runOutcomeSchema = z.enum([
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
]);
export type RunOutcome = z.infer<typeof runOutcomeSchema>;

export const bootClassSchema = z.enum(['discovery', 'installer', 'installed', 'maintenance']);
export type BootClass = z.infer<typeof bootClassSchema>;

export const scopeSchema = z.enum(['admin', 'operator', 'viewer']);
export type Scope = z.infer<typeof scopeSchema>;

/** How many noderoles are in each state. */
export const stateCountsSchema = answer({ PROPOSED: z.int(), BLOCKED: z.int(), TODO: z.int(), TRANSITION: z.int(), ACTIVE: z.int(), ERROR: z.int() });
export type StateCounts = z.infer<typeof stateCountsSchema>;

/** Why something failed: `code` is for programs, `message` for people. */
const failure = answer({ code: z.string(), message: z.string() });

// --- lists ----------------------------------------------------------------------------------------------------------

const paging = {
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT),
  after: z.string().min(1).max(200).optional(),
};

/** One page: `next` goes into `?after=`, null on the last page; `total` counts every page. */
export const pageOf = <Item extends z.ZodType>(item: Item) => answer({ items: z.array(item), next: z.string().nullable(), total: z.int() });
export type Page<Item> = { items: Item[]; next: string | null; total: number };

/** The query of a list that has no filters. */
export const pageQuerySchema = request(paging);

// --- problems (RFC 9457) --------------------------------------------------------------------------------------------

/** Body of every answer that is not a success, as application/problem+json. Branch on `code`. */
export const problemSchema = answer({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(answer({ field: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof problemSchema>;

// --- status and annealer --------------------------------------------------------------------------------------------

const liveRuns = { queued: z.int(), running: z.int(), waiting: z.int(), stopping: z.int() };

export const bootServerSchema = answer({ kind: z.string(), host: z.string(), status: z.string(), served_revision: z.int() });
export type BootServer = z.infer<typeof bootServerSchema>;

export const statusSchema = answer({
  version: z.string(),
  database: answer({ kind: z.string() }),
  queue: answer({ backend: z.string() }),
  uptime_seconds: z.int(),
  nodes: answer({ total: z.int(), alive: z.int() }),
  noderoles: stateCountsSchema,
  runs: answer({ live: z.int(), ...liveRuns }),
  transitions_per_second: z.number(),
  servers: z.array(bootServerSchema),
});
export type Status = z.infer<typeof statusSchema>;

export const annealSchema = answer({
  state: z.enum(['finished', 'working', 'error']),
  noderoles: stateCountsSchema,
  runs: answer(liveRuns),
  transitions_per_second: z.number(),
  /** When the next noderole that backs off may be tried again. */
  not_before_next: time.nullable(),
});
export type Anneal = z.infer<typeof annealSchema>;

// --- deployments ----------------------------------------------------------------------------------------------------

export const deploymentSchema = answer({
  id: z.int(),
  name: z.string(),
  description: z.string(),
  parent: refSchema.nullable(),
  system: z.boolean(),
  state: deploymentStateSchema,
  committed_at: time.nullable(),
  paused: z.boolean(),
  power_on: z.enum(['auto', 'never']).optional(),
  /** Raised by every commit; 0 means never committed. */
  revision: z.int(),
  counts: stateCountsSchema,
  nodes: z.int(),
});
export type Deployment = z.infer<typeof deploymentSchema>;

export const deploymentCreateSchema = request({ name, parent: reference.optional(), description: z.string().max(2000).optional() });
export type DeploymentCreate = z.input<typeof deploymentCreateSchema>;

/** `paused` stops new claims in the deployment; what runs goes on. */
export const deploymentPatchSchema = request({
  description: z.string().max(2000).optional(),
  paused: z.boolean().optional(),
  /** Whether work that is committed switches on a node that is not alive. */
  power_on: z.enum(['auto', 'never']).optional(),
});
export type DeploymentPatch = z.input<typeof deploymentPatchSchema>;

/** `revision` after the commit and how many noderoles left PROPOSED. */
export const commitResultSchema = answer({ revision: z.int(), committed: z.int(), deployment: deploymentSchema });
export type CommitResult = z.infer<typeof commitResultSchema>;

export const matrixSchema = answer({
  deployment: deploymentSchema,
  roles: z.array(answer({ id: z.int(), name: z.string(), cohort: z.int() })),
  nodes: z.array(answer({ id: z.int(), name: z.string(), alive: z.boolean(), phase: z.string(), phase_at: time.nullable(), bootenv: z.string() })),
  cells: z.array(
    answer({
      id: z.int(),
      node_id: z.int(),
      role_id: z.int(),
      state: nodeRoleStateSchema,
      version: z.int(),
      run: answer({ id: z.int(), status: runStatusSchema, wait_key: z.string().nullable() }).nullable(),
    }),
  ),
  /** Position of the picture in the event stream: pass it as `after` to `/events` and nothing is missed. */
  pos: z.string(),
});
export type Matrix = z.infer<typeof matrixSchema>;

// --- roles ----------------------------------------------------------------------------------------------------------

export const roleSchema = answer({
  id: z.int(),
  name: z.string(),
  barclamp: z.string(),
  description: z.string(),
  jig: z.string(),
  flags: z.array(z.string()),
  requires: z.array(z.string()),
  provides: z.array(z.string()),
  conflicts: z.array(z.string()),
  /** Attribs the role declares: name, description, schema, default. */
  attribs: z.array(jsonObject),
  /** Attribs it reads: name and where. */
  wants: z.array(jsonObject),
  /** Default data, lowest precedence. */
  template: jsonObject,
  /** Configuration of its jig, e.g. the script. */
  jig_config: jsonObject,
  job_class: z.string(),
  timeout_seconds: z.int(),
  max_attempts: z.int(),
  backoff_seconds: z.int(),
  backoff_max_seconds: z.int(),
  /** Error codes that are not tried again. */
  no_retry_on: z.array(z.string()),
  runs_in: z.string(),
  validity: z.string(),
  on_parent_error: z.string(),
  /** Hook functions that its code provides. */
  hooks: z.array(z.string()),
  /** Roles that go first where both are on a node, or in a deployment; nothing is drawn in by it. */
  soft_after: z.array(z.string()),
  soft_after_deployment: z.array(z.string()),
  /** Whose barrier it is, when Prybar made it for a cluster role. */
  barrier_of: z.string().nullable(),
  /** How many members open the barrier; null: all. */
  quorum: z.int().nullable(),
  /** Its barclamp defines it no more: what is bound stays, nothing new is bound to it. */
  retired: z.boolean(),
  cohort: z.int(),
  updated_at: time,
});
export type Role = z.infer<typeof roleSchema>;

// --- nodes ----------------------------------------------------------------------------------------------------------

export const nicSchema = answer({ name: z.string(), mac: z.string(), boot: z.boolean() });
export type Nic = z.infer<typeof nicSchema>;

/** A BMC as shown: its password never leaves the server. */
export const bmcSchema = answer({
  driver: z.string(),
  address: z.string(),
  port: z.int(),
  username: z.string(),
  power: z.string(),
  last_error: z.string().nullable(),
});
export type Bmc = z.infer<typeof bmcSchema>;

export const nodeSchema = answer({
  id: z.int(),
  name: z.string(),
  description: z.string(),
  deployment: refSchema,
  kind: z.string(),
  alive: z.boolean(),
  available: z.boolean(),
  arch: z.string(),
  uuid: z.string().nullable(),
  serial: z.string().nullable(),
  /** DHCP options of its own, by name or code. */
  dhcp_options: z.record(z.string(), z.unknown()),
  /** What we want it to boot. */
  desired: answer({ bootenv: z.string(), generation: z.int(), reason: z.string() }),
  /** What its DHCP entries carry, and whether every boot server answers it. */
  served: answer({ bootenv: z.string().nullable(), generation: z.int(), served: z.boolean() }),
  /** What it reports it booted. */
  observed: answer({
    bootenv: z.string().nullable(),
    boot_id: z.string().nullable(),
    class: bootClassSchema.nullable(),
    phase: z.string(),
    phase_detail: z.string(),
    phase_at: time.nullable(),
    address: z.string().nullable(),
    heartbeat_at: time.nullable(),
  }),
  nics: z.array(nicSchema),
  bmc: bmcSchema.nullable(),
  noderoles: stateCountsSchema,
  created_at: time,
});
export type Node = z.infer<typeof nodeSchema>;

export const nodeListQuerySchema = request({
  ...paging,
  deployment: keySchema.optional(),
  alive: flag.optional(),
  available: flag.optional(),
  bootenv: z.string().max(200).optional(),
  phase: z.string().max(200).optional(),
  /** Only nodes that have a noderole in this state. */
  state: nodeRoleStateSchema.optional(),
  /** Part of a name, MAC, serial number or address. */
  q: z.string().max(200).optional(),
});
export type NodeListQuery = z.input<typeof nodeListQuerySchema>;

const mac = z.string().regex(/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/, 'six bytes in hex, with colons or dashes between them');

/** A name, or one with the place of a number: `ctrl{n}` becomes ctrl1, ctrl2, ... */
const nameOrTemplate = z
  .string()
  .min(1)
  .max(200)
  .regex(
    /^[a-z0-9](([a-z0-9.-]|\{n\})*([a-z0-9]|\{n\}))?$/,
    'small letters, digits, dots and dashes, beginning and ending with a letter or digit; {n} for the next number',
  )
  .refine((value) => value.split('{n}').length <= 2, 'has {n} once')
  .refine((value) => !/^\d+$/.test(value), 'may not be a number alone, because objects are addressed by id or name');

export const nodeCreateSchema = request({ name: nameOrTemplate, macs: z.array(mac).max(64).optional(), deployment: reference.optional() });
export type NodeCreate = z.input<typeof nodeCreateSchema>;

export const nodePatchSchema = request({
  available: z.boolean().optional(),
  description: z.string().max(2000).optional(),
  deployment: reference.optional(),
  hint: jsonObjectSchema.optional(),
  /** DHCP options of this node by name or code, in place of the ones it has; docs/dhcp.md lists them. */
  dhcp_options: jsonObjectSchema.optional(),
});
export type NodePatch = z.input<typeof nodePatchSchema>;

export const bmcPutSchema = request({
  driver: z.enum(['ipmi', 'redfish', 'simulated']),
  address: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[A-Za-z0-9.:-]+$/, 'a host name or an address'),
  port: z.number().int().min(1).max(65_535),
  username: z.string().max(200).default(''),
  password: z.string().max(200).default(''),
});
export type BmcPut = z.input<typeof bmcPutSchema>;

export const powerPutSchema = request({ action: z.enum(['on', 'off', 'cycle']), next_boot: z.enum(['pxe', 'disk']).optional() });
export type PowerPut = z.input<typeof powerPutSchema>;

export const bootEventSchema = answer({ id: z.int(), mac: z.string(), at: time, kind: z.string(), detail: jsonObject });
export type BootEvent = z.infer<typeof bootEventSchema>;

/** One line of a node's life; `source` says which table it is from, `id` is its id there. */
export const timelineItemSchema = answer({ at: time, source: z.enum(['boot', 'run', 'install']), id: z.int(), kind: z.string(), text: z.string() });
export type TimelineItem = z.infer<typeof timelineItemSchema>;
/** The newest lines, oldest of them first. */
export const timelineSchema = answer({ node: refSchema, items: z.array(timelineItemSchema) });
export type Timeline = z.infer<typeof timelineSchema>;
export const timelineQuerySchema = request({ limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(200) });

// --- data of roles within deployments -------------------------------------------------------------------------------

export const deploymentRoleSchema = answer({
  id: z.int(),
  deployment: refSchema,
  role: refSchema,
  proposed_data: jsonObject.nullable(),
  committed_data: jsonObject,
  wall: jsonObject,
});
export type DeploymentRole = z.infer<typeof deploymentRoleSchema>;

export const deploymentRoleListQuerySchema = request({ ...paging, deployment: keySchema.optional() });
export type DeploymentRoleListQuery = z.input<typeof deploymentRoleListQuerySchema>;

/** New proposed data: replaces what was proposed, takes effect at the next commit. */
export const dataPutSchema = request({ data: jsonObjectSchema });
export type DataPut = z.input<typeof dataPutSchema>;

// --- noderoles ------------------------------------------------------------------------------------------------------

const neighbour = answer({ id: z.int(), name: z.string(), state: nodeRoleStateSchema });

/** What a waiting run waits for, until when, and whether it keeps the node meanwhile. */
export const waitSchema = answer({ key: z.string(), deadline: time, keeps: z.string() });

export const nodeRoleSchema = answer({
  id: z.int(),
  /** `<role>@<node>` */
  name: z.string(),
  deployment: refSchema,
  role: refSchema,
  node: refSchema,
  state: nodeRoleStateSchema,
  state_code: z.int(),
  cohort: z.int(),
  /** Raised by every change of state; events carry it. */
  version: z.int(),
  pending_parents: z.int(),
  failures: z.int(),
  not_before: time.nullable(),
  error: failure.nullable(),
  /** The noderole in ERROR that blocks it. */
  blocked_by: z.int().nullable(),
  run: answer({ id: z.int(), status: runStatusSchema, wait: waitSchema.nullable() }).nullable(),
  proposed_data: jsonObject.nullable(),
  committed_data: jsonObject,
  sysdata: jsonObject,
  wall: jsonObject,
  parents: z.array(neighbour),
  children: z.array(neighbour),
  changed_at: time,
});
export type NodeRole = z.infer<typeof nodeRoleSchema>;

export const nodeRoleListQuerySchema = request({
  ...paging,
  deployment: keySchema.optional(),
  node: keySchema.optional(),
  role: keySchema.optional(),
  state: nodeRoleStateSchema.optional(),
});
export type NodeRoleListQuery = z.input<typeof nodeRoleListQuerySchema>;

/** Without a node a role flagged `service` goes to the phantom node of the deployment, which must then be named. */
export const bindSchema = request({ role: reference, node: reference.optional(), deployment: reference.optional(), data: jsonObjectSchema.optional() }).refine(
  (body) => body.node !== undefined || body.deployment !== undefined,
  { path: ['node'], message: 'name a node, or for a service the deployment' },
);
export type Bind = z.input<typeof bindSchema>;

/** The noderole that was asked for, and the ids of every one that came into being with it. */
export const bindResultSchema = answer({ noderole: nodeRoleSchema, created: z.array(z.int()) });
export type BindResult = z.infer<typeof bindResultSchema>;

export const whySchema = answer({
  noderole: answer({ id: z.int(), name: z.string(), state: nodeRoleStateSchema }),
  answer: z.string(),
  chain: z.array(answer({ kind: z.string(), text: z.string(), noderole_id: z.int().optional(), node_id: z.int().optional(), run_id: z.int().optional() })),
  /** What to do, or what to wait for. */
  unblock: z.string(),
});
export type Why = z.infer<typeof whySchema>;

// --- runs -----------------------------------------------------------------------------------------------------------

export const runSchema = answer({
  id: z.int(),
  noderole_id: z.int(),
  node: refSchema,
  role: refSchema,
  attempt: z.int(),
  retry_of: z.int().nullable(),
  status: runStatusSchema,
  outcome: runOutcomeSchema.nullable(),
  jig: z.string(),
  job_class: z.string(),
  error: failure.nullable(),
  exit_status: z.int().nullable(),
  /** Frozen inputs: only when one run is read. */
  inputs: z.unknown().optional(),
  wait: waitSchema.nullable(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
});
export type Run = z.infer<typeof runSchema>;

export const runListQuerySchema = request({
  ...paging,
  noderole: idSchema.optional(),
  node: keySchema.optional(),
  role: keySchema.optional(),
  status: runStatusSchema.optional(),
  outcome: runOutcomeSchema.optional(),
});
export type RunListQuery = z.input<typeof runListQuerySchema>;

export const logQuerySchema = request({
  /** Last sequence number already read. */
  after: z.coerce.number<number>().int().min(-1).default(-1),
  limit: z.coerce.number<number>().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_MAX),
});
export type LogQuery = z.input<typeof logQuerySchema>;

/** Log chunks after the one asked for; `ended` is true when the run has ended and these are the last. */
export const runLogSchema = answer({ items: z.array(answer({ seq: z.int(), at: time, text: z.string() })), ended: z.boolean() });
export type RunLog = z.infer<typeof runLogSchema>;

// --- bootenvs -------------------------------------------------------------------------------------------------------

export const bootenvSchema = answer({
  name: z.string(),
  os_family: z.string(),
  description: z.string(),
  kind: z.string(),
  archs: z.array(z.string()),
  available: z.boolean(),
  problems: z.array(z.string()),
});
export type Bootenv = z.infer<typeof bootenvSchema>;

export const bootenvPreviewQuerySchema = request({ node: keySchema });
/** Rendered for one node; tokens and secrets are stand-ins. */
export const bootenvPreviewSchema = answer({
  bootenv: z.string(),
  node: z.object({ id: z.int(), name: z.string() }),
  files: z.array(z.object({ name: z.string(), text: z.string() })),
  problems: z.array(z.string()),
});
export type BootenvPreview = z.infer<typeof bootenvPreviewSchema>;

// --- events ---------------------------------------------------------------------------------------------------------

export const eventsQuerySchema = request({
  /** Cursor: the id of an event, or a matrix's `pos`. Unset: from now on. */
  after: z.string().max(100).optional(),
});

/** `data` of one event on the stream. Consumers ignore an older `version` of a subject than the one they hold. */
export const eventSchema = answer({
  kind: z.string(),
  subject_type: z.string(),
  subject_id: z.int(),
  version: z.int(),
  at: time,
  data: jsonObject,
});
export type DomainEvent = z.infer<typeof eventSchema>;
