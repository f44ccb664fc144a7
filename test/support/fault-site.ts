/**
 * A site to break: the boot process as it is started in production (DHCP, TFTP, boot HTTP on loopback), networks in every
 * mode, and machines of the simulator that boot through it with a fault each.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startBoot } from '../../src/bin/boot.js';
import { closeContext, openContext, type Context, type Part } from '../../src/bin/context.js';
import { armInstall } from '../../src/bootenvs/installs.js';
import { builtinCatalog, loadBootenvs } from '../../src/bootenvs/registry.js';
import { ensureStandIns } from '../../src/bootenvs/stand-ins.js';
import { diagnose, type Diagnosis } from '../../src/bootwatch/diagnose.js';
import { gatherEvidence } from '../../src/bootwatch/gather.js';
import type { BootStep } from '../../src/bootwatch/steps.js';
import { readSteps } from '../../src/bootwatch/timeline.js';
import { loadConfig } from '../../src/config/config.js';
import { withTransaction, type Db } from '../../src/db/client.js';
import { ensureSystem } from '../../src/deployments/system.js';
import { ensureNetwork, RACK_NETWORK } from '../../src/networks/store.js';
import { createNode } from '../../src/nodes/store.js';
import { createLogger } from '../../src/shared/logger.js';
import { Gate } from '../../src/simulator/gate.js';
import { machineIdentity, type MachineIdentity } from '../../src/simulator/identity.js';
import { DEFAULT_TIMING } from '../../src/simulator/life.js';
import { Machine } from '../../src/simulator/machine.js';
import type { SavedMachine } from '../../src/simulator/state-files.js';
import type { FaultRates, MachineQuirks } from '../../src/simulator/wire/faults.js';
import { freePorts } from '../e2e/support/free-ports.js';
import { createTestDatabase } from './postgres.js';
import { waitFor } from './wait-for.js';

/** Networks by name: what is written of each besides its block. */
const NETWORKS: Record<string, { block: string; mode?: string; pool?: [string, string]; sql?: string }> = {
  off: { block: '127.80.0', mode: 'off' },
  reserved: { block: '127.81.0', mode: 'reservations' },
  full: { block: '127.82.0', pool: ['127.82.0.10', '127.82.0.10'] },
  nodns: { block: '127.83.0' },
  proxied: { block: '127.84.0', mode: 'proxy' },
  late: { block: '127.85.0', sql: 'min_secs = 60' },
  quota: { block: '127.86.0', sql: 'unknown_quota = 0' },
};

/** Bytes of the kernel of `maintenance`: more than socket buffers hold, so that a cut is felt. */
const LARGE_KERNEL = 16 * 1024 * 1024;

export type FaultyMachine = {
  readonly identity: MachineIdentity;
  readonly machine: Machine;
  readonly nodeId: number | undefined;
  /** Steps of the machine as the timeline has them now. */
  steps(): Promise<BootStep[]>;
};

export type MachineWish = {
  number: number;
  quirks?: MachineQuirks;
  loss?: number;
  /** Network of the relay; `rack` by default. */
  network?: string;
  /** giaddr, in place of one in the network. */
  relay?: string;
  firmware?: 'bios' | 'uefi';
  /** A node is made for it, with this bootenv. */
  bootenv?: string;
  /** Options of the node, by name. */
  options?: Record<string, unknown>;
  /** Whether a boot that failed is tried again at once. */
  isLooping?: boolean;
};

export type FaultSite = {
  db: Db;
  home: string;
  machine(wish: MachineWish): Promise<FaultyMachine>;
  /** Resolves when the DHCP server answers with what was written last. */
  served(): Promise<void>;
  /** What the doctor says when an operator asks `later` seconds from now. */
  ask(machine: FaultyMachine, laterSeconds: number): Promise<Diagnosis>;
  close(): Promise<void>;
};

export async function openFaultSite(): Promise<FaultSite> {
  const database = await createTestDatabase();
  const home = await mkdtemp(path.join(tmpdir(), 'prybar-faults-'));
  const config = loadConfig({ ...(await freePorts()), PRYBAR_HOME: home, DATABASE_URL: database.url, PRYBAR_BOOT_HOST: '127.0.0.1' });
  const context = openContext('faults', config, createLogger('faults', 'silent'));
  const { db } = context;
  await ensureSystem(db);
  await writeNetworks(db);
  await writeFiles(db, home);
  const boot = await startBoot(context);
  const machines: Machine[] = [];
  return {
    db,
    home,
    machine: (wish) => makeMachine(context, wish, machines),
    served: async () =>
      void (await waitFor(
        async () => {
          const { rows } = await db.pool.query(
            `SELECT 1 FROM boot_servers WHERE kind = 'dhcp' AND host = '127.0.0.1' AND served_revision >= (SELECT revision FROM dhcp_table)`,
          );
          return rows.length > 0;
        },
        { what: 'the DHCP server to serve the table', timeoutMs: 10_000 },
      )),
    async ask({ nodeId, identity }, laterSeconds) {
      const whose = nodeId === undefined ? { mac: identity.mac } : { nodeId };
      return diagnose(await gatherEvidence(db, whose, new Date(Date.now() + laterSeconds * 1000)));
    },
    close: () =>
      closeSite(machines, boot, context, async () => {
        await database.drop();
        await rm(home, { recursive: true, force: true });
      }),
  };
}

async function closeSite(machines: Machine[], boot: Part, context: Context, remove: () => Promise<void>): Promise<void> {
  await Promise.all(machines.map((machine) => machine.close()));
  await boot.close();
  await closeContext(context);
  await remove();
}

async function writeNetworks(db: Db): Promise<void> {
  await ensureNetwork(db, { ...RACK_NETWORK, dns: ['127.0.0.53'] });
  for (const [name, { block, mode = 'authoritative', pool, sql }] of Object.entries(NETWORKS)) {
    const { rows } = await db.pool.query<{ id: number }>('INSERT INTO networks (name, subnet, dhcp_mode) VALUES ($1, $2, $3) RETURNING id', [
      name,
      `${block}.0/24`,
      mode,
    ]);
    const id = rows[0]?.id ?? 0;
    const [first, last] = pool ?? [`${block}.10`, `${block}.99`];
    await db.pool.query(`INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES ($1, 'dhcp', $2, $3)`, [id, first, last]);
    if (sql !== undefined) await db.pool.query(`UPDATE networks SET ${sql} WHERE id = $1`, [id]);
  }
  // Whoever came first holds the one address of this pool.
  await db.pool.query(
    `INSERT INTO leases (address, network_id, mac, expires_at) SELECT '127.82.0.10', id, '52:54:00:99:99:99', clock_timestamp() + interval '1 day' FROM networks WHERE name = 'full'`,
  );
  await db.pool.query('UPDATE dhcp_table SET revision = revision + 1');
}

/** Loaders, and kernels of every bootenv but `rocky-9`, which cannot be served. */
async function writeFiles(db: Db, home: string): Promise<void> {
  await mkdir(path.join(home, 'loaders'));
  for (const [file, bytes] of [
    ['undionly.kpxe', 70_000],
    ['snponly.efi', 250_000],
  ] as const)
    await writeFile(path.join(home, 'loaders', file), Buffer.alloc(bytes, 1));
  const { registry } = await loadBootenvs({ home, catalogs: [builtinCatalog()] });
  await ensureStandIns(
    home,
    [...registry.values()].filter(({ name }) => name !== 'rocky-9').map(({ definition }) => definition),
  );
  const large = registry.get('maintenance')?.definition.kernel ?? 'vmlinuz';
  await writeFile(path.join(home, 'images', 'maintenance', large), Buffer.alloc(LARGE_KERNEL, 1));
  for (const { name, definition } of registry.values())
    await db.pool.query(`INSERT INTO bootenvs (name, kind, archs, problems) VALUES ($1, $2, '{}', '{}') ON CONFLICT DO NOTHING`, [name, definition.kind]);
}

async function makeMachine(context: Context, wish: MachineWish, machines: Machine[]): Promise<FaultyMachine> {
  const { db, config } = context;
  const block = NETWORKS[wish.network ?? '']?.block;
  const usual = machineIdentity(wish.number);
  const identity: MachineIdentity = {
    ...usual,
    firmware: wish.firmware ?? 'bios',
    relayAddress: wish.relay ?? (block === undefined ? usual.relayAddress : `${block}.${100 + (wish.number % 100)}`),
  };
  const nodeId = wish.bootenv === undefined ? undefined : await makeNode(db, identity, wish.bootenv, wish.options ?? {});
  const faults: FaultRates = { loss: wish.loss ?? 0, lostCallback: 0, ...(wish.quirks === undefined ? {} : { quirks: wish.quirks }) };
  let saved: SavedMachine | undefined;
  const machine = new Machine({
    identity,
    servers: { host: '127.0.0.1', dhcpPort: config.dhcpPort, tftpPort: config.tftpPort },
    timing: {
      ...DEFAULT_TIMING,
      dhcpTimeoutsMs: wish.loss === undefined ? [150, 300] : [300, 600, 1_200, 2_400, 4_800],
      tftpTimeoutMs: 150,
      selfTestMs: 5,
      bootLoopPausesMs: [wish.isLooping === true ? 250 : 3_600_000],
      callRetryPausesMs: [100],
    },
    faults,
    seed: 'faults',
    gate: new Gate(1_000),
    saved,
    save: async (next) => void (saved = next),
    onPhase: () => undefined,
    onComplaint: () => undefined,
  });
  machines.push(machine);
  const whose = nodeId === undefined ? { mac: identity.mac } : { nodeId };
  return { identity, machine, nodeId, steps: () => readSteps(db.pool, whose, { limit: 1_000 }) };
}

/** The node, its DHCP entry as the dhcp-database role writes it, and the armed install that an installer needs. */
async function makeNode(db: Db, identity: MachineIdentity, bootenv: string, options: Record<string, unknown>): Promise<number> {
  const { nodeId } = await createNode(db, { name: `node-${identity.number}`, macs: [identity.mac] });
  await withTransaction(db.pool, async (tx) => {
    if (/^(debian|ubuntu|rocky)/.test(bootenv))
      await armInstall(tx, { nodeId, nodeRoleId: 1, bootenv, spec: { disk: 'sda', targetOs: bootenv, network: null } });
    await tx.query(`UPDATE nodes SET bootenv = $2 WHERE id = $1`, [nodeId, bootenv]);
    const { rows } = await tx.query<{ revision: string }>('UPDATE dhcp_table SET revision = revision + 1 RETURNING revision');
    await tx.query(
      `INSERT INTO dhcp_entries (mac, node_id, hostname, bootenv, boot_local, applied_gen, options, revision)
       SELECT $1, id, name, $3, $3 = 'local', desired_gen, $4, $5 FROM nodes WHERE id = $2`,
      [identity.mac, nodeId, bootenv, options, rows[0]?.revision],
    );
  });
  return nodeId;
}

/** A boot server's row that says it is behind, for the confirming set. */
export async function addLaggingServer(db: Db): Promise<string> {
  const id = randomUUID();
  await db.pool.query(
    `INSERT INTO boot_servers (id, kind, host, networks, status, served_revision, lease_until, started_at)
     VALUES ($1, 'dhcp', 'boot2', '{}', 'serving', 0, clock_timestamp() + interval '1 hour', clock_timestamp())`,
    [id],
  );
  return id;
}
