/** One answer of the API for each thing, with every field the contract has. */
import type {
  Allocation,
  ApiToken,
  DnsRecord,
  Lease,
  Network,
  Zone,
  ZoneFile,
  Plan,
  Rollout,
  Deployment,
  Node,
  NodeRole,
  NodeRoleState,
  Role,
  Run,
  RunDetail,
  Status,
  StateCounts,
  Matrix,
} from '../../../src/cli/answers.js';

const AT = '2026-11-21T10:00:00.000Z';

export function counts(some: Partial<StateCounts> = {}): StateCounts {
  return { PROPOSED: 0, BLOCKED: 0, TODO: 0, TRANSITION: 0, ACTIVE: 0, ERROR: 0, ...some };
}

export function page<Item>(items: Item[]): { items: Item[]; next: null; total: number } {
  return { items, next: null, total: items.length };
}

export const status: Status = {
  version: '0.1.0',
  database: { kind: 'embedded' },
  queue: { backend: 'postgresql' },
  uptime_seconds: 75,
  nodes: { total: 2, alive: 1 },
  noderoles: counts({ ACTIVE: 1, ERROR: 1 }),
  runs: { live: 0, queued: 0, running: 0, waiting: 0, stopping: 0 },
  transitions_per_second: 1.5,
  servers: [{ kind: 'dhcp', host: '127.0.0.1', status: 'serving', served_revision: 12 }],
};

export const anneal = {
  state: 'error',
  noderoles: counts({ ACTIVE: 1, ERROR: 1 }),
  runs: { queued: 0, running: 0, waiting: 0, stopping: 0 },
  transitions_per_second: 1.5,
  not_before_next: null,
};

export const role: Role = {
  id: 4,
  name: 'base-packages',
  barclamp: 'demo',
  description: 'installs packages',
  jig: 'script',
  flags: ['service'],
  requires: ['provisioner-os-install'],
  provides: [],
  conflicts: [],
  attribs: [{ name: 'packages', default: [] }],
  wants: [],
  template: {},
  jig_config: { script: '#!/bin/sh\ntrue\n' },
  job_class: 'fast',
  timeout_seconds: 600,
  max_attempts: 3,
  backoff_seconds: 5,
  backoff_max_seconds: 600,
  no_retry_on: ['bad-disk'],
  runs_in: 'installed',
  validity: 'install',
  on_parent_error: 'block',
  hooks: [],
  soft_after: ['firmware'],
  soft_after_deployment: [],
  barrier_of: null,
  quorum: null,
  retired: false,
  cohort: 1,
  updated_at: '2026-01-01T00:00:00.000Z',
};

export const move = { node: { id: 2, name: 'rack-n002' }, from: { id: 1, name: 'system' }, to: { id: 7, name: 'demo' }, noderoles: [12] };

export const target = { node: { id: 2, name: 'rack-n002' }, role: { id: 4, name: 'base-packages' } };

export const bulk = { dry_run: true, matched: 3, moved: 1, marked: 1, others: [{ reason: 'its role is destructive', count: 1, ids: [9] }] };

export const rollout: Rollout = {
  deployment: { id: 7, name: 'demo' },
  policy: { canaries: 1, in_flight: '20%', per: 'hint.rack', pause_above: 10, min_sample: 5 },
  rollout: {
    id: 3,
    revision: 2,
    status: 'paused',
    phase: 'canary',
    reason: '1 of 1 canaries failed',
    started_at: AT,
    changed_at: AT,
    ended_at: null,
    progress: { nodes: 10, done: 0, failed: 1, in_flight: 0, waiting: 9, canaries: 1, canaries_done: 0 },
    groups: [{ key: 'rack r1', nodes: 10, in_flight: 0, max_in_flight: 2 }],
    nodes_in_flight: [],
    nodes_failed: [{ id: 2, name: 'rack-n002' }],
  },
};
export const barclamp = {
  name: 'demo',
  description: 'a small cluster',
  version: '1',
  source: 'built-in' as const,
  imported_at: '2026-01-01T00:00:00.000Z',
  roles: ['base-packages'],
  retired: [],
};
export const barclampDetail = { ...barclamp, definition: { barclamp: { name: 'demo' }, roles: [] }, yaml: 'barclamp:\n  name: demo\n' };
export const barclampImport = { barclamps: ['demo'], created: ['base-packages'], changed: [], unchanged: [], removed: [], retired: [], warnings: [] };

export const deployment: Deployment = {
  id: 7,
  name: 'demo',
  description: 'for show',
  parent: { id: 1, name: 'system' },
  system: false,
  state: 'error',
  committed_at: AT,
  paused: false,
  revision: 1,
  counts: counts({ ACTIVE: 1, ERROR: 1 }),
  nodes: 2,
};
export const proposed = { proposed: 3, deployment };

export const deploymentRole = {
  id: 5,
  deployment: { id: 7, name: 'demo' },
  role: { id: 4, name: 'base-packages' },
  proposed_data: { packages: [] },
  committed_data: {},
  wall: {},
};

export function node(id: number, name: string, alive: boolean): Node {
  return {
    id,
    name,
    description: '',
    deployment: { id: 7, name: 'demo' },
    kind: 'machine',
    alive,
    available: true,
    arch: 'x86_64',
    uuid: '7b1e8a52-0000-4000-8000-000000000001',
    serial: `SIM-${id}`,
    dhcp_options: {},
    desired: { bootenv: 'local', generation: 3, reason: 'installed' },
    served: { bootenv: 'local', generation: 3, served: true },
    observed: {
      bootenv: 'local',
      boot_id: 'b-1',
      class: 'installed',
      phase: 'disk',
      phase_detail: 'debian-12',
      phase_at: AT,
      address: `127.77.0.${9 + id}`,
      heartbeat_at: AT,
    },
    nics: [{ name: 'eth0', mac: `52:54:00:77:00:0${id}`, boot: true }],
    bmc: {
      driver: 'simulated',
      address: '127.0.0.1',
      port: 6230,
      username: 'admin',
      power: 'on',
      last_error: null,
    },
    noderoles: counts(alive ? { ACTIVE: 1 } : { ERROR: 1 }),
    created_at: AT,
  };
}

export function noderole(id: number, nodeId: number, nodeName: string, state: NodeRoleState): NodeRole {
  return {
    id,
    name: `base-packages@${nodeName}`,
    deployment: { id: 7, name: 'demo' },
    role: { id: 4, name: 'base-packages' },
    node: { id: nodeId, name: nodeName },
    state,
    state_code: state === 'ERROR' ? -1 : 0,
    cohort: 1,
    version: 5,
    pending_parents: 0,
    failures: state === 'ERROR' ? 3 : 0,
    not_before: null,
    error: state === 'ERROR' ? { code: 'exit-status', message: 'the script ended with exit status 3' } : null,
    blocked_by: null,
    run: null,
    proposed_data: null,
    committed_data: { packages: ['nginx'] },
    sysdata: {},
    wall: {},
    parents: [{ id: 1, name: `provisioner-os-install@${nodeName}`, state: 'ACTIVE' }],
    children: [],
    changed_at: AT,
  };
}

export const run: Run = {
  id: 31,
  noderole_id: 12,
  node: { id: 2, name: 'rack-n002' },
  role: { id: 4, name: 'base-packages' },
  attempt: 3,
  retry_of: 30,
  status: 'ENDED',
  outcome: 'failed',
  jig: 'script',
  job_class: 'fast',
  error: { code: 'exit-status', message: 'the script ended with exit status 3' },
  exit_status: 3,
  wait: null,
  created_at: AT,
  started_at: AT,
  ended_at: '2026-11-21T10:00:04.000Z',
};

export const runDetail: RunDetail = {
  ...run,
  result: null,
  wall: null,
  turns: [{ at: AT, to: 'wait', key: 'work:31', keeps: 'node' }],
  log_tail: 'installing nginx\n',
  attempts: [{ id: 31, attempt: 3, status: 'ENDED', outcome: 'failed', ended_at: AT }],
  late_results: [],
  unabortable: null,
  cancel_asked: null,
  stop: null,
};

export const why = {
  noderole: { id: 12, name: 'base-packages@rack-n002', state: 'ERROR' as const },
  answer: 'its last run failed: the script ended with exit status 3',
  chain: [{ kind: 'run', text: 'run 31, attempt 3 of 3, exit status 3', run_id: 31 }],
  unblock: 'read prybar runs logs 31, set it right, then prybar noderoles retry 12',
};

export const externalServer = {
  name: 'lab',
  kind: 'dnsmasq',
  host: 'head',
  networks: ['admin'],
  driven: true,
  served_revision: 3,
  revision: 7,
  problem: 'dnsmasq is not running: /run/dnsmasq.pid does not exist',
  problem_since: '2026-11-21T10:00:00.000Z',
  hosts: 2,
  writes: 4,
  served_at: null,
};
export const snippet = { server: 'isc-driven', text: 'include "/etc/prybar/dhcpd-hosts.conf";\n', external_yml: 'servers:\n', notes: ['note'] };
export const caps = { items: [{ name: 'ssh', max: 10, used: 3 }] };

export const bootenv = {
  name: 'debian-12',
  os_family: 'debian',
  description: 'Debian 12',
  kind: 'installer',
  archs: ['x86_64'],
  available: false,
  problems: ['no kernel in the image folder'],
};

export const bootenvPreview = {
  bootenv: 'debian-12',
  node: { id: 2, name: 'rack-n002' },
  files: [{ name: 'preseed.cfg', text: '# Debian\nd-i x\n' }],
  problems: [],
};

export function matrix(states: readonly NodeRoleState[], version = 5): Matrix {
  const of = (wanted: NodeRoleState): number => states.filter((state) => state === wanted).length;
  return {
    deployment: {
      ...deployment,
      state: of('ERROR') > 0 ? 'error' : of('ACTIVE') === states.length ? 'active' : 'committed',
      counts: counts({ ACTIVE: of('ACTIVE'), ERROR: of('ERROR'), TRANSITION: of('TRANSITION') }),
    },
    roles: [{ id: 4, name: 'base-packages', cohort: 1 }],
    nodes: states.map((_, index) => ({
      id: index + 1,
      name: `rack-n00${index + 1}`,
      alive: true,
      phase: 'disk',
      phase_at: null,
      bootenv: 'local',
    })),
    cells: states.map((state, index) => ({
      id: 11 + index,
      node_id: index + 1,
      role_id: 4,
      state,
      version,
      run: null,
    })),
    pos: '1.10.0',
  };
}

export const webhook = {
  id: 3,
  name: 'board',
  url: 'https://board.example/hook',
  kinds: ['alarm'],
  states: [],
  deployment: null,
  node: { id: 2, name: 'rack-n002' },
  role: null,
  active: true,
  paused_reason: null,
  failing_since: null,
  deliveries: { pending: 0, dead: 1 },
  created_at: AT,
};

export const webhookDelivery = {
  id: 41,
  uid: '3f0c1b7e-9f0e-4f43-9d51-0d9b3f1f6a10',
  kind: 'alarm',
  subject_type: 'node',
  subject_id: 2,
  version: 4,
  status: 'delivered',
  attempts: 1,
  next_at: null,
  log: [{ at: AT, ms: 12, status: 200, error: null, response: 'ok' }],
  created_at: AT,
  ended_at: AT,
};

export const hookDelivery = {
  id: 51,
  role: 'dhcp-database',
  hook: 'onNodeChange',
  subject_type: 'node',
  subject_id: 2,
  version: 4,
  changed: ['bootenv'],
  status: 'parked',
  attempts: 10,
  not_before: AT,
  parked_at: AT,
  last_error: 'no network covers 10.0.0.7',
  cause_depth: 0,
  data: { changed: ['bootenv'] },
  created_at: AT,
};

const source = { bucket: 'noderole.committed' as const, noderole: null, revision: 2, run: null, by: 'alice', at: '2026-11-21T10:00:00.000Z' };
const attrib = {
  name: 'packages',
  scoped: 'base-packages/packages',
  description: 'What to install.',
  declared: true,
  secret: false,
  value: 'vim',
  sources: [{ path: '', ...source }],
};
const attribsOf = { kind: 'noderole' as const, id: 12, name: 'base-packages@rack-n002' };
export const attribList = { of: attribsOf, attribs: [attrib], wanted: [], buckets: { 'noderole.committed': { packages: 'vim' } } };
export const attribOne = { of: attribsOf, ...attrib, schema: { type: 'array' }, layers: [{ ...source, value: 'vim', counts: true }], readers: [] };
export const runInputs = {
  run: 31,
  noderole: { id: 12, name: 'base-packages@rack-n002' },
  hash: 'abc',
  inputs: { packages: 'vim', node: { id: 2 }, parents: {} },
  sources: [{ key: 'packages', path: '', ...source }],
};
export const plan: Plan = {
  deployment: { id: 7, name: 'demo' },
  revision: 2,
  hash: 'abc',
  words: [
    { tone: 'danger', text: '1 machine will be reinstalled: its disk is ERASED, and it reboots: rack-n001 (sda, 480 GB)' },
    { tone: 'info', text: '2 noderoles will run on 1 machine, in 2 waves' },
  ],
  refusals: [],
  waves: [[{ role: 'provisioner-os-install', reason: 'bound', nodes: ['rack-n001'] }], [{ role: 'base-packages', reason: 'data', nodes: ['rack-n001'] }]],
  runs: 2,
  nodes: ['rack-n001'],
  erases: [
    {
      noderole: 'provisioner-os-install@rack-n001',
      node: 'rack-n001',
      disk: { name: 'sda', size_bytes: 480_000_000_000 },
      os: null,
      underway: false,
      held: false,
    },
  ],
  data: [{ role: 'base-packages', nodes: null, path: 'packages', before: [], after: ['nginx'] }],
  held: [],
  drift: [],
  failed: [],
  follow: [],
  affected: [],
  asleep: [],
  duration: { seconds: null, unknown_roles: ['base-packages'] },
};

export const revisionHead = { revision: 1, author: 'admin', comment: 'first', at: AT, noderoles: 1, data: 1, unbound: 0 };
const changes = [{ role: 'base-packages', node: 'rack-n001', change: 'bound' as const, values: [{ path: 'packages', after: ['nginx'] }] }];
export const revision = { ...revisionHead, changes };
export const revisionDiff = { from: 1, to: 2, changes };
export const rollback = { revision: 1, data: ['base-packages'], bound: [], unbound: [], kept: [{ name: 'a@b', why: 'it was bound since' }], lost: [], plan };
export const redeploy = { noderoles: ['provisioner-os-install@rack-n002'], nodes: ['rack-n002'] };
export const batch = { deployments: ['demo'], nodes: [], noderoles: 3, committed: [{ deployment: 'demo', revision: 1, noderoles: 3 }] };

export const bootStep = {
  id: 7,
  mac: '52:54:00:00:00:02',
  at: '2026-11-21T10:00:00.000Z',
  kind: 'dhcp-discover',
  title: 'DISCOVER seen',
  tone: 'plain',
  text: 'pxe, x86 BIOS',
  facts: { stage: 'pxe' },
};
export const bootTimeline = { node: { id: 2, name: 'rack-n002' }, items: [bootStep], next: null, total: 1, present_from: 7 };
export const bootAuthority = {
  pem: '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n',
  fingerprint_sha256: 'AB:CD',
  not_after: '2036-11-21T12:00:00.000Z',
};

export const bootTransfer = {
  id: 7,
  protocol: 'tftp',
  address: '10.0.0.7',
  mac: '52:54:00:77:00:01',
  node: { id: 1, name: 'rack-n001' },
  file: 'snponly.efi',
  size_bytes: 200_000,
  bytes: 80_000,
  bytes_per_second: 40_000,
  retransmits: 2,
  block_bytes: 1468,
  window_blocks: 4,
  state: 'running',
  reason: '',
  started_at: '2026-11-21T12:00:00.000Z',
  updated_at: '2026-11-21T12:00:02.000Z',
  ended_at: null,
};

export const unknownMachine = { mac: '52:54:00:00:00:99', steps: 1, first_at: bootStep.at, last: { ...bootStep, mac: '52:54:00:00:00:99' } };

export const bootDoctor = {
  node: { id: 2, name: 'rack-n002' },
  mac: '52:54:00:00:00:02',
  verdict: 'running',
  reached: 'reported',
  silent_seconds: 4,
  last: bootStep,
  suspects: [],
  quirks: [],
};

export const network: Network = {
  id: 1,
  name: 'admin',
  category: 'admin',
  description: 'machines boot here',
  subnet: '10.0.0.0/24',
  routers: [{ address: '10.0.0.1', pref: 10 }],
  ranges: [{ name: 'dhcp', first: '10.0.0.100', last: '10.0.0.199', conduit: null, vlan: null, size: 100, allocated: 3, leased: 4 }],
  dns: ['10.0.0.1'],
  domain: 'rack.example',
  suffix: null,
  name_template: 'ctrl{n}',
  deployment: null,
  group: 'default',
  vlan: 7,
  conduit: '1g0',
  team_mode: null,
  bridge: false,
  configure: true,
  dhcp_mode: 'authoritative',
  lease_seconds: 3600,
  identify_by: 'mac',
  min_secs: 0,
  server_identifier: null,
  boot_host: null,
  unknown_quota: null,
  quiet_ra: false,
  legacy_boot_default: false,
  relays: [],
  relay_modes: {},
  options: { 'ntp-servers': ['10.0.0.1'] },
  vendor_options: {},
  port_reservations: [],
  allocations: 3,
  leases: 4,
  version: 2,
};

export const allocation: Allocation = {
  id: 5,
  address: '10.0.0.20',
  mac: '52:54:00:00:00:09',
  hostname: 'switch1',
  unmanaged: false,
  network: { id: 1, name: 'admin' },
  node: null,
};

export const lease: Lease = {
  address: '10.0.0.150',
  network: { id: 1, name: 'admin' },
  mac: '52:54:00:00:00:77',
  hostname: 'laptop',
  client_id: null,
  state: 'active',
  expires_at: AT,
  updated_at: AT,
  node: null,
};

export const zone: Zone = {
  name: 'rack.example',
  reverse: false,
  written: true,
  serial: 7,
  records: 12,
  ttl: 30,
  nameservers: ['ns.rack.example'],
  contact: 'hostmaster@rack.example',
  secondaries: ['10.0.0.2:5300'],
  filter: { roles: ['ceph'] },
  template: '{{node}}',
};

export const zoneFile: ZoneFile = { name: 'rack.example', file: 'rack.example.zone', text: '$ORIGIN rack.example.\n' };

export const record: DnsRecord = { id: 3, name: 'www.rack.example', type: 'CNAME', value: 'ctrl1.rack.example' };

export const token: ApiToken = { id: 2, name: 'ci', scope: 'viewer', created_at: AT, last_used_at: null, revoked_at: null };
export const reaction = {
  network: 'rack',
  decision: 'offer 10.0.0.9',
  rules: [{ rule: 'mode', source: 'docs/dhcp.md, modes', value: 'authoritative' }],
  reply: null,
};
export const explained = { packets: [], verdicts: [{ mac: '52:54:00:00:00:02', text: 'it has its lease', packet: 4, offset: null }] };

export const imported = {
  format: 'dnsmasq',
  applied: false,
  counts: { reservations: 1, leases: 0, exists: 0, ended: 0, skipped: 0 },
  items: [
    { line: 1, kind: 'reservation', action: 'create', mac: '52:54:00:cc:00:11', address: '10.162.230.21', hostname: 'node21', network: 'ses', node: null },
  ],
  problems: [{ line: 2, message: '10.162.231.22 is in no network of Prybar', fix: 'prybar networks create NAME 10.162.231.0/24', blocking: false }],
};
