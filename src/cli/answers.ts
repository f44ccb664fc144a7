/** Types of what the API answers, taken from the client's methods: the CLI knows the server through src/client alone. */
import type { Client } from '../client/client.js';

// A method's own type cannot name its parameters here: whatever they are, only the answer is read.
type Answer<Method> = Method extends (...args: never[]) => Promise<infer Value> ? Value : never;

export type Status = Answer<Client['status']>;
export type Anneal = Answer<Client['anneal']>;
export type Deployment = Answer<Client['deployments']['get']>;
export type Matrix = Answer<Client['deployments']['matrix']>;
export type Rollout = Answer<Client['deployments']['rollout']>;
export type Role = Answer<Client['roles']['get']>;
export type Barclamp = Answer<Client['barclamps']['list']>['items'][number];
export type BarclampImportResult = Answer<Client['barclamps']['import']>;
export type Node = Answer<Client['nodes']['get']>;
export type BootTimeline = Answer<Client['nodes']['bootTimeline']>;
export type BootDoctor = Answer<Client['nodes']['bootDoctor']>;
export type BootStep = BootTimeline['items'][number];
export type BootTransfer = Answer<Client['boot']['transfers']>['items'][number];
export type UnknownMachine = Answer<Client['boot']['unknown']>['items'][number];
export type Timeline = Answer<Client['nodes']['timeline']>;
export type NodeRole = Answer<Client['nodeRoles']['get']>;
export type BindResult = Answer<Client['nodeRoles']['bind']>;
export type NodeRoleState = NodeRole['state'];
export type StateCounts = Node['noderoles'];
export type Why = Answer<Client['nodeRoles']['why']>;
export type BulkResult = Answer<Client['nodeRoles']['retryAll']>;
export type Run = Answer<Client['runs']['list']>['items'][number];
export type RunDetail = Answer<Client['runs']['get']>;
export type DhcpImported = Answer<Client['dhcp']['import']>;
export type ExternalServer = Answer<Client['externalServers']['list']>['items'][number];
export type Snippet = Answer<Client['externalServers']['snippet']>;
export type Caps = Answer<Client['caps']['list']>;
export type Bootenv = Answer<Client['bootenvs']['get']>;
export type HookDelivery = Answer<Client['hooks']['get']>;
export type Webhook = Answer<Client['webhooks']['get']>;
export type WebhookWithSecret = Answer<Client['webhooks']['create']>;
export type WebhookDelivery = Answer<Client['webhooks']['test']>;
export type Network = Answer<Client['networks']['get']>;
export type Allocation = Answer<Client['allocations']['create']>;
export type Lease = Answer<Client['leases']['list']>['items'][number];
export type Zone = Answer<Client['dns']['putZone']>;
export type ZoneFile = Answer<Client['dns']['zoneFile']>;
export type DnsRecord = Answer<Client['dns']['createRecord']>;
export type ApiToken = Answer<Client['tokens']['list']>['items'][number];
export type Plan = Answer<Client['deployments']['plan']>;
export type Revision = Answer<Client['deployments']['revision']>;
export type RevisionHead = Answer<Client['deployments']['revisions']>['items'][number];
export type Rollback = Answer<Client['deployments']['rollback']>;
export type Redeploy = Answer<Client['deployments']['redeploy']>;

/** One page of a list. */
export type Page<Item> = { items: Item[]; next: string | null; total: number };
/** What every list takes besides its filters. */
export type PageQuery = { limit: number; after?: string };
