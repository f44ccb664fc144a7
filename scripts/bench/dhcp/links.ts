/** What needs root: ISC dhcpd, which listens on packets of a real interface only, and machines that broadcast. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openDb } from '../../../src/db/client.js';
import { bridgeDatabase, makeFabric, whyNoFabric, type Fabric } from '../../../test/integration/dhcp/fabric.js';
import { startServerIn, stopServer } from '../../../test/integration/dhcp/server-process.js';
import { ensureTools } from '../../lib/debian-tools.mjs';
import { inProject } from '../../lib/project.mjs';
import type { Tools } from '../bench.js';
import { startLoad, type Load } from './load.js';
import type { PostgresServer } from '../lib/servers.js';
import type { StormResult } from './storm-main.js';
import { stopProgram } from '../lib/program.js';

const run = promisify(execFile);
const CLIENT = '10.201.200.1';

export { whyNoFabric };

/** Two namespaces with one link of a /16 between them: the server's eth1 at 10.201.1.1, the clients' eth0 at 10.201.200.1. */
export async function makeLink(tools: Tools): Promise<Fabric> {
  const fabric = await makeFabric();
  tools.onEnd(() => fabric.remove());
  const [one] = fabric.segments;
  await run('ip', ['-n', fabric.server, 'addr', 'add', '10.201.1.1/16', 'dev', 'eth1']);
  await run('ip', ['-n', fabric.server, 'addr', 'del', '10.201.1.1/24', 'dev', 'eth1']);
  await run('ip', ['-n', one.client, 'addr', 'add', `${CLIENT}/16`, 'dev', 'eth0']);
  await run('ip', ['-n', one.client, 'route', 'add', '255.255.255.255', 'dev', 'eth0']);
  return fabric;
}

/** dhcpd as Debian configures it, but for its ping before an offer, which would be all that is measured. */
export async function startDhcpd(fabric: Fabric, tools: Tools): Promise<{ pid: number; load: Load; stop: () => Promise<void> }> {
  const { dhcpd } = await ensureTools(['dhcpd']);
  const folder = mkdtempSync(join(tmpdir(), 'prybar-dhcpd-'));
  writeFileSync(join(folder, 'leases'), '');
  writeFileSync(
    join(folder, 'dhcpd.conf'),
    'authoritative; ping-check false; default-lease-time 3600; next-server 10.201.1.1; filename "snponly.efi";\n' +
      'subnet 10.201.0.0 netmask 255.255.0.0 { range 10.201.8.0 10.201.190.255; option routers 10.201.1.1; }\n',
  );
  const command = [
    dhcpd.path,
    '-4',
    '-f',
    '-q',
    '-user',
    'root',
    '-group',
    'root',
    '-cf',
    join(folder, 'dhcpd.conf'),
    '-lf',
    join(folder, 'leases'),
    '-pf',
    join(folder, 'pid'),
    'eth1',
  ];
  const child = spawn('ip', ['netns', 'exec', fabric.server, ...command], { env: dhcpd.env, stdio: 'ignore' });
  const load = await startLoad(CLIENT, 67, { host: '10.201.1.1', port: 67 }, fabric.segments[0].client);
  const stop = async (): Promise<void> => {
    await load.stop();
    await stopProgram(child);
    rmSync(folder, { recursive: true, force: true });
  };
  tools.onEnd(stop);
  return { pid: child.pid ?? 0, load, stop };
}

/** Prybar through its launcher, and machines that are all switched on at once. */
export async function runStorm(fabric: Fabric, postgres: PostgresServer, machines: number): Promise<StormResult> {
  const database = await postgres.createDatabase('prybar');
  const db = openDb({ url: database.url, applicationName: 'bench', poolSize: 1 });
  const bridge = await bridgeDatabase(database.url);
  try {
    await db.pool.query(`INSERT INTO networks (id, name, subnet, dhcp_mode, lease_seconds) VALUES (1, 'one', '10.201.0.0/16', 'authoritative', 3600)`);
    await db.pool.query(`INSERT INTO network_ranges (network_id, name, first_address, last_address) VALUES (1, 'dhcp', '10.201.8.0', '10.201.190.255')`);
    const server = await startServerIn(fabric.server, ['perl', inProject('scripts/dhcp-sockets.pl'), 'eth1', '--'], { DATABASE_URL: bridge.url });
    try {
      const command = [process.execPath, '--import', 'tsx', inProject('scripts/bench/dhcp/storm-main.ts'), String(machines), '0', CLIENT];
      const { stdout } = await run('ip', ['netns', 'exec', fabric.segments[0].client, ...command], {
        cwd: inProject(),
        timeout: 60_000,
        maxBuffer: 16 * 1024 * 1024,
      });
      const result: StormResult = JSON.parse(stdout);
      return result;
    } finally {
      await stopServer(server);
    }
  } finally {
    await bridge.close();
    await db.close();
    await database.drop();
  }
}
