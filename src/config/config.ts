/**
 * The configuration: one schema of the environment, read once by a process's wiring. Every field has a default, a unit
 * in its name and a sentence; README's table is generated from here. Everything else receives the slice it needs.
 */
import path from 'node:path';
import { z } from 'zod';
import { parseAddressBlock } from '../shared/address-block.js';
import { ConfigError } from '../shared/errors.js';
import { parseAddressPort, parseIpv4, type AddressPort } from '../shared/ipv4.js';
import { listOf } from './list-of.js';
import { addressOf, dnsAddresses, LOOPBACK } from './own-addresses.js';

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback);
const positive = (fallback: number) => z.coerce.number().int().positive().default(fallback);

const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\//, 'must begin with postgresql://')
  .optional();
const redisUrl = z
  .string()
  .regex(/^rediss?:\/\//, 'must begin with redis:// or rediss://')
  .optional();

const addressBlocks = z
  .string()
  .refine(
    (text) => listOf(text).every((block) => parseAddressBlock(block) !== undefined),
    'addresses or blocks, comma separated, for example 127.0.0.1,fd00::/8',
  )
  .default('');

const addressPorts = (what: string) =>
  z
    .string()
    .refine((text) => listOf(text).every((word) => parseAddressPort(word, 53) !== undefined), `${what}, for example 10.0.0.1,10.0.0.2:5353`)
    .default('');

/** Every variable: name -> type, default, and the sentence README shows. */
export const environmentSchema = z.object({
  DATABASE_URL: postgresUrl.describe('PostgreSQL 15 or newer to use; unset: an embedded one under PRYBAR_HOME'),
  REDIS_URL: redisUrl.describe('Redis for the job queue; unset: BullMQ runs on PostgreSQL'),
  PRYBAR_HOME: z.string().default('.prybar').describe('Directory of data, keys, loaders and images'),
  PRYBAR_HOST: z.string().default('127.0.0.1').describe('Address the API and web page listen on'),
  PRYBAR_PORT: port(8190).describe('Port of the API and web page'),
  PRYBAR_BOOT_HOST: z
    .string()
    .optional()
    .describe('Address that machines boot from: DHCP server id, next-server, boot HTTP; unset: 127.0.0.1, or the address of the first interface served'),
  PRYBAR_BOOT_HTTP_PORT: port(8191).describe('Port of boot HTTP and of the node callbacks'),
  PRYBAR_BOOT_HTTPS_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('Port of boot HTTPS with a certificate of our own authority (docs/boot-files.md); unset: none'),
  PRYBAR_DHCP_PORT: port(6767).describe('UDP port of DHCP for relayed clients; 67 with PRYBAR_INTERFACE'),
  PRYBAR_TFTP_PORT: port(6969).describe('UDP port of TFTP; 69 with PRYBAR_INTERFACE'),
  PRYBAR_DNS: z
    .string()
    .refine((text) => text === 'off' || listOf(text).every((word) => parseIpv4(word) !== undefined), 'IPv4 addresses of this machine, comma separated, or off')
    .default('')
    .describe('Addresses that DNS listens on, comma separated, or off; unset: the address that machines boot from, or those of the interfaces served'),
  PRYBAR_DNS_PORT: port(6053).describe('UDP and TCP port of DNS; 53 with PRYBAR_INTERFACE'),
  PRYBAR_DNS_FORWARD: addressPorts('IPv4 addresses with an optional port').describe(
    'Name servers asked for what is in no zone of Prybar, comma separated; unset: such questions are refused',
  ),
  PRYBAR_DNS_CLIENTS: addressBlocks.describe('Blocks whose machines may ask for names that are not ours, besides those of the networks: comma separated'),
  PRYBAR_INTERFACE: z.string().default('').describe('Interfaces to serve on a real segment, comma separated; empty: loopback only'),
  PRYBAR_DHCP_RANGE: z
    .string()
    .regex(/^(proxy|\d+(\.\d+){3}-\d+(\.\d+){3}(,\d+(\.\d+){3}-\d+(\.\d+){3})*)$/, 'first-last, for example 10.0.0.100-10.0.0.199, or proxy')
    .optional()
    .describe(
      'Addresses that may be given on a segment that no network covers yet: first-last, comma separated for several interfaces; proxy: none, another server gives them and Prybar only boot files',
    ),
  PRYBAR_DHCP_MIN_SECS: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .describe('Seconds a machine must have waited before this DHCP server answers it: more than 0 makes this the second of two servers'),
  PRYBAR_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('warn').describe('Log level'),
  PRYBAR_QUEUE_PREFIX: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'small letters, digits and dashes')
    .default('prybar')
    .describe('Prefix of the queue names, so that two installations may share one Redis'),
  PRYBAR_FAST_SLOTS: z.coerce
    .number()
    .int()
    .positive()
    .optional()
    .describe('Jobs of class fast that one worker process runs at once; unset: 1000 on Redis, 300 on PostgreSQL'),
  PRYBAR_SWEEP_MS: positive(1000).describe('Milliseconds between two sweeps of an annealer'),
  PRYBAR_HEARTBEAT_SECONDS: positive(5).describe('Seconds between two heartbeats of an agent'),
  PRYBAR_ALIVE_GRACE_SECONDS: positive(20).describe('Seconds without a heartbeat after which a node is not alive'),
  PRYBAR_RUN_LEASE_SECONDS: positive(30).describe('Seconds a worker holds a run without renewing'),
  PRYBAR_RUN_LOG_BYTES: positive(4_000_000).describe('Bytes of its log that a run keeps; what is longer loses its middle, with a mark that says how much'),
  PRYBAR_STOP_DEADLINE_SECONDS: positive(120).describe('Seconds a run may take to stop before that is an alarm'),
  PRYBAR_RUNS_KEEP: positive(20).describe('Ended runs that each noderole keeps, however old'),
  PRYBAR_RUNS_KEEP_DAYS: positive(30).describe('Days that every ended run is kept'),
  PRYBAR_LOG_KEEP_DAYS: positive(14).describe('Days that the logs of ended runs are kept, those of the last run of a noderole apart'),
  PRYBAR_INSTALL_DEADLINE_SECONDS: positive(2700).describe('Seconds an OS installation may take before it fails'),
  PRYBAR_BOOT_DEADLINE_SECONDS: positive(900).describe('Seconds a machine may take to come alive after a power cycle'),
  PRYBAR_WEBHOOK_ALLOW: addressBlocks.describe(
    'Addresses that webhooks may be sent to although they are loopback, link-local or of the BMC network: blocks, comma separated',
  ),
  PRYBAR_EVENTS_KEEP_DAYS: positive(7).describe('Days that events are kept after everybody who follows them has read them'),
  PRYBAR_EVENTS_KEEP_MAX: positive(1_000_000).describe('Batches of events kept at most, once everybody has read them; the oldest go first'),
  PRYBAR_WEBHOOKS_KEEP_DAYS: positive(7).describe('Days that the log of webhook deliveries is kept; of dead ones four times as long'),
  PRYBAR_REVISIONS_KEEP: positive(100).describe('Revisions that each deployment keeps, however old'),
  PRYBAR_REVISIONS_KEEP_DAYS: positive(365).describe('Days that every revision of a deployment is kept'),
  PRYBAR_BOOT_STEPS_KEEP: positive(1000).describe('Steps of its boots that are kept of each machine; the oldest go first'),
  PRYBAR_BOOT_STEPS_KEEP_DAYS: positive(30).describe('Days that the steps of boots are kept'),
  PRYBAR_BARCLAMPS: z.string().optional().describe('Directory of your own barclamps, a folder with a barclamp.yml each, imported at start; unset: none'),
  PRYBAR_TARGET_OS: z.string().default('debian-12').describe('Bootenv that provisioner-os-install installs when nothing else is said'),
});

export type Environment = z.infer<typeof environmentSchema>;

export type Config = {
  databaseUrl: string | undefined;
  redisUrl: string | undefined;
  home: string;
  host: string;
  port: number;
  bootHost: string;
  bootHttpPort: number;
  bootHttpsPort: number | undefined;
  dhcpPort: number;
  tftpPort: number;
  /** Where DNS listens; empty: it does not run. */
  dnsAddresses: string[];
  dnsPort: number;
  dnsForward: AddressPort[];
  dnsClients: string[];
  interfaces: string[];
  dhcpRanges: string[];
  dhcpMinSecs: number;
  logLevel: string;
  queuePrefix: string;
  fastSlots: number;
  sweepMs: number;
  heartbeatSeconds: number;
  aliveGraceSeconds: number;
  runLeaseSeconds: number;
  runLogBytes: number;
  stopDeadlineSeconds: number;
  runsKeep: number;
  runsKeepDays: number;
  logKeepDays: number;
  installDeadlineSeconds: number;
  bootDeadlineSeconds: number;
  webhookAllow: string[];
  eventsKeepDays: number;
  eventsKeepMax: number;
  webhooksKeepDays: number;
  revisionsKeep: number;
  revisionsKeepDays: number;
  bootStepsKeep: number;
  bootStepsKeepDays: number;
  /** Directory of the operator's own barclamps. */
  barclamps: string | undefined;
  targetOs: string;
};

/**
 * Reads the environment. A variable set to the empty string counts as unset.
 * Throws ConfigError naming the variable and what it may be.
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const name = String(issue?.path[0] ?? 'environment');
    throw new ConfigError(
      `${name}: ${issue?.message ?? 'not valid'} (it is '${name.endsWith('_URL') ? '[redacted]' : given[name]}')`,
      `set ${name} to a value it allows, or unset it for its default`,
    );
  }
  const e = parsed.data;
  const interfaces = listOf(e.PRYBAR_INTERFACE);
  const onSegment = interfaces.length > 0;
  return {
    databaseUrl: e.DATABASE_URL,
    redisUrl: e.REDIS_URL,
    home: path.resolve(e.PRYBAR_HOME),
    host: e.PRYBAR_HOST,
    port: e.PRYBAR_PORT,
    bootHost: e.PRYBAR_BOOT_HOST ?? addressOf(interfaces[0]) ?? LOOPBACK,
    bootHttpPort: e.PRYBAR_BOOT_HTTP_PORT,
    bootHttpsPort: e.PRYBAR_BOOT_HTTPS_PORT,
    dhcpPort: onSegment && given.PRYBAR_DHCP_PORT === undefined ? 67 : e.PRYBAR_DHCP_PORT,
    tftpPort: onSegment && given.PRYBAR_TFTP_PORT === undefined ? 69 : e.PRYBAR_TFTP_PORT,
    dnsAddresses: dnsAddresses(e.PRYBAR_DNS, interfaces, e.PRYBAR_BOOT_HOST),
    dnsPort: onSegment && given.PRYBAR_DNS_PORT === undefined ? 53 : e.PRYBAR_DNS_PORT,
    dnsForward: listOf(e.PRYBAR_DNS_FORWARD).flatMap((word) => parseAddressPort(word, 53) ?? []),
    dnsClients: listOf(e.PRYBAR_DNS_CLIENTS),
    interfaces,
    dhcpRanges: e.PRYBAR_DHCP_RANGE?.split(',') ?? [],
    dhcpMinSecs: e.PRYBAR_DHCP_MIN_SECS,
    logLevel: e.PRYBAR_LOG_LEVEL,
    queuePrefix: e.PRYBAR_QUEUE_PREFIX,
    // Settled together, so more cost less; BullMQ on PostgreSQL grows slower with every job it has in hand (stack.md 4).
    fastSlots: e.PRYBAR_FAST_SLOTS ?? (e.REDIS_URL === undefined ? 300 : 1000),
    sweepMs: e.PRYBAR_SWEEP_MS,
    heartbeatSeconds: e.PRYBAR_HEARTBEAT_SECONDS,
    aliveGraceSeconds: e.PRYBAR_ALIVE_GRACE_SECONDS,
    runLeaseSeconds: e.PRYBAR_RUN_LEASE_SECONDS,
    runLogBytes: e.PRYBAR_RUN_LOG_BYTES,
    stopDeadlineSeconds: e.PRYBAR_STOP_DEADLINE_SECONDS,
    runsKeep: e.PRYBAR_RUNS_KEEP,
    runsKeepDays: e.PRYBAR_RUNS_KEEP_DAYS,
    logKeepDays: e.PRYBAR_LOG_KEEP_DAYS,
    installDeadlineSeconds: e.PRYBAR_INSTALL_DEADLINE_SECONDS,
    bootDeadlineSeconds: e.PRYBAR_BOOT_DEADLINE_SECONDS,
    webhookAllow: listOf(e.PRYBAR_WEBHOOK_ALLOW),
    eventsKeepDays: e.PRYBAR_EVENTS_KEEP_DAYS,
    eventsKeepMax: e.PRYBAR_EVENTS_KEEP_MAX,
    webhooksKeepDays: e.PRYBAR_WEBHOOKS_KEEP_DAYS,
    revisionsKeep: e.PRYBAR_REVISIONS_KEEP,
    revisionsKeepDays: e.PRYBAR_REVISIONS_KEEP_DAYS,
    bootStepsKeep: e.PRYBAR_BOOT_STEPS_KEEP,
    bootStepsKeepDays: e.PRYBAR_BOOT_STEPS_KEEP_DAYS,
    barclamps: e.PRYBAR_BARCLAMPS === undefined ? undefined : path.resolve(e.PRYBAR_BARCLAMPS),
    targetOs: e.PRYBAR_TARGET_OS,
  };
}
