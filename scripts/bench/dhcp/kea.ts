/** Kea's DHCPv4 server from Debian, as its documentation sets it up: memfile leases, multi-threading, reservations in its file. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTools } from '../../lib/debian-tools.mjs';
import type { Tools } from '../bench.js';
import { macOf } from './exchange-bytes.js';
import { addressOf, GIADDR, POOL, SUBNET } from './network.js';
import { waitUntilAnswering } from './probe.js';
import { stopProgram } from '../lib/program.js';

export type Kea = { pid: number; port: number; /** From the start of the process to its first answer. */ answeredAfterMs: number; stop(): Promise<void> };

/** Starts Kea on 127.0.0.1:`port`; relays are answered on `relayPort`, since a bench may not own port 67. */
export async function startKea(options: { reservations: number; port: number; relayPort: number }, tools: Tools): Promise<Kea> {
  const { 'kea-dhcp4': kea } = await ensureTools(['kea-dhcp4']);
  const folder = mkdtempSync(join(tmpdir(), 'prybar-kea-'));
  mkdirSync(join(folder, 'run'));
  writeFileSync(join(folder, 'kea.json'), JSON.stringify(configuration(folder, options.reservations)));
  const env = { ...kea.env, KEA_PIDFILE_DIR: join(folder, 'run'), KEA_LOCKFILE_DIR: join(folder, 'run') };
  const startedAt = performance.now();
  const child = spawn(kea.path, ['-c', join(folder, 'kea.json'), '-p', String(options.port), '-P', String(options.relayPort)], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const stop = async (): Promise<void> => {
    await stopProgram(child);
    rmSync(folder, { recursive: true, force: true });
  };
  tools.onEnd(stop);
  await waitUntilAnswering({ port: options.port, relayPort: options.relayPort });
  return { pid: child.pid ?? 0, port: options.port, answeredAfterMs: performance.now() - startedAt, stop };
}

function configuration(folder: string, reservations: number): object {
  return {
    Dhcp4: {
      'interfaces-config': { interfaces: ['lo/127.0.0.1'], 'dhcp-socket-type': 'udp' },
      'lease-database': { type: 'memfile', persist: true, name: join(folder, 'leases.csv'), 'lfc-interval': 0 },
      'valid-lifetime': 3600,
      'multi-threading': { 'enable-multi-threading': true },
      'host-reservation-identifiers': ['hw-address'],
      subnet4: [
        {
          id: 1,
          subnet: SUBNET,
          relay: { 'ip-addresses': [GIADDR] },
          pools: [{ pool: `${POOL.first}-${POOL.last}` }],
          'option-data': [{ name: 'routers', data: GIADDR }],
          'next-server': '127.0.0.1',
          'boot-file-name': 'snponly.efi',
          reservations: Array.from({ length: reservations }, (_, index) => ({ 'hw-address': macOf(index), 'ip-address': addressOf(index) })),
        },
      ],
      loggers: [{ name: 'kea-dhcp4', severity: 'ERROR', output_options: [{ output: 'stderr' }] }],
    },
  };
}
