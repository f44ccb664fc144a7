/** DNS against dnsmasq from Debian, both with the same 10,000 names, asked by dnsperf on loopback. Only 127.0.0.1 is asked. */
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openDb } from '../../src/db/client.js';
import { MIGRATED_FLAG } from '../../src/bin/tables.js';
import { ensureTools } from '../lib/debian-tools.mjs';
import { prepare } from '../lib/prepare.mjs';
import type { Bench, Row, Tools } from './bench.js';
import { startChild } from './lib/children.js';
import { cpuSeconds } from './lib/machine.js';
import { startPostgres } from './lib/servers.js';
import { stopProgram } from './lib/program.js';

const run = promisify(execFile);

type Server = { port: number; pid: number };
type Measured = { perSecond: number; lostPercent: number; meanMs: number; cpuMicros: number };

const addressOf = (index: number) => `10.77.${(index >> 8) & 255}.${index & 255}`;
const nameOf = (index: number) => `n${index}.bench.example`;

/** A port that was free for both protocols a moment ago. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

async function startDnsmasq(names: number, folder: string, tools: Tools): Promise<Server> {
  const { dnsmasq } = await ensureTools(['dnsmasq']);
  const hosts = join(folder, 'hosts');
  writeFileSync(hosts, Array.from({ length: names }, (_, index) => `${addressOf(index + 1)} ${nameOf(index)}\n`).join(''));
  const port = await freePort();
  const words = ['--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', `--addn-hosts=${hosts}`, '--bind-interfaces'];
  const child = spawn(
    dnsmasq.path,
    [...words, '--listen-address=127.0.0.1', `--port=${port}`, '--local=/bench.example/', '--local-ttl=60', '--pid-file=', '--user='],
    {
      env: dnsmasq.env,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  tools.onEnd(() => stopProgram(child));
  return { port, pid: child.pid ?? 0 };
}

/** The boot process of the product, as it is started everywhere. */
async function startPrybar(names: number, folder: string, tools: Tools): Promise<Server> {
  const postgres = await startPostgres(tools);
  const database = await postgres.createDatabase('prybar');
  const db = openDb({ url: database.url, applicationName: 'bench', poolSize: 2 });
  await db.pool.query(`INSERT INTO networks (id, name, subnet, domain) VALUES (1, 'bench', '10.77.0.0/16', 'bench.example')`);
  await db.pool.query(
    `INSERT INTO reservations (network_id, address, hostname) SELECT 1, address, name FROM unnest($1::text[], $2::text[]) AS r(address, name)`,
    [Array.from({ length: names }, (_, index) => addressOf(index + 1)), Array.from({ length: names }, (_, index) => nameOf(index))],
  );
  await db.close();
  const [port, dhcp, tftp, http] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: '',
    PRYBAR_HOME: join(folder, randomUUID()),
    PRYBAR_LOG_LEVEL: 'warn',
    PRYBAR_DNS_PORT: String(port),
    PRYBAR_DHCP_PORT: String(dhcp),
    PRYBAR_TFTP_PORT: String(tftp),
    PRYBAR_BOOT_HTTP_PORT: String(http),
    NODE_ENV: 'production',
  };
  const profile = process.env['BENCH_PROFILE_DIR'];
  const execArgv = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const child = await startChild('boot', { file: 'dist/src/bin/boot.js', args: [MIGRATED_FLAG], env, execArgv });
  tools.onEnd(() => child.stop());
  return { port, pid: child.pid };
}

/** dnsperf's numbers, and the CPU time of the server divided by the answers. */
async function measure(server: Server, queries: string, seconds: number): Promise<Measured> {
  const { dnsperf } = await ensureTools(['dnsperf']);
  const before = cpuSeconds(server.pid);
  const { stdout } = await run(
    dnsperf.path,
    ['-s', '127.0.0.1', '-p', String(server.port), '-d', queries, '-l', String(seconds), '-c', '8', '-T', '1', '-q', '200'],
    {
      env: dnsperf.env,
      maxBuffer: 1 << 22,
    },
  );
  const used = cpuSeconds(server.pid) - before;
  const figure = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
  const completed = figure(/Queries completed:\s+(\d+)/);
  return {
    perSecond: figure(/Queries per second:\s+([\d.]+)/),
    lostPercent: (100 * figure(/Queries lost:\s+(\d+)/)) / figure(/Queries sent:\s+(\d+)/),
    meanMs: figure(/Average Latency \(s\):\s+([\d.]+)/) * 1000,
    cpuMicros: (used * 1e6) / completed,
  };
}

function compare(name: string, ours: Measured, base: Measured, aim: number | null): Row {
  const ratio = ours.perSecond / base.perSecond;
  return {
    name,
    ours: `${Math.round(ours.perSecond)} queries/s`,
    baseline: `dnsmasq ${Math.round(base.perSecond)} queries/s`,
    ratio,
    aim: aim === null ? '' : `>= ${aim}x`,
    reached: aim === null ? null : ratio >= aim && ours.lostPercent < 1,
    cpuMicros: ours.cpuMicros,
    note: `dnsmasq ${base.cpuMicros.toFixed(1)} us CPU; ${ours.lostPercent.toFixed(2)} % lost, ${ours.meanMs.toFixed(2)} ms mean (dnsmasq ${base.lostPercent.toFixed(2)} %, ${base.meanMs.toFixed(2)} ms)`,
  };
}

const number = (value: string | true | undefined, fallback: number): number => (typeof value === 'string' ? Number(value) : fallback);

export const dns: Bench = {
  name: 'dns',
  about: 'DNS queries per second against dnsmasq',
  options: { names: 'names in the zone; default 10000', seconds: 'length of each measurement; default 5' },
  async run(options, tools) {
    await prepare({ until: 'build' });
    const names = Math.min(number(options['names'], 10_000), 65_000);
    const seconds = number(options['seconds'], 5);
    const folder = mkdtempSync(join(tmpdir(), 'prybar-bench-dns-'));
    tools.onEnd(async () => rmSync(folder, { recursive: true, force: true }));
    const [known, absent] = [join(folder, 'known'), join(folder, 'absent')];
    writeFileSync(known, Array.from({ length: names }, (_, index) => `${nameOf((index * 7919) % names)} A\n`).join(''));
    writeFileSync(absent, Array.from({ length: names }, (_, index) => `no${index}.bench.example A\n`).join(''));
    const dnsmasq = await startDnsmasq(names, folder, tools);
    const prybar = await startPrybar(names, folder, tools);
    const measured = async (what: string, server: Server, queries: string) => {
      await measure(server, queries, 1);
      const result = await measure(server, queries, seconds);
      tools.say(`- ${what}: ${Math.round(result.perSecond)} queries/s, ${result.cpuMicros.toFixed(1)} us CPU each`);
      return result;
    };
    const base = { known: await measured('dnsmasq, names', dnsmasq, known), absent: await measured('dnsmasq, absent names', dnsmasq, absent) };
    const ours = { known: await measured('prybar, names', prybar, known), absent: await measured('prybar, absent names', prybar, absent) };
    return {
      rows: [
        compare(`addresses of ${names} names`, ours.known, base.known, 0.7),
        compare('names that do not exist (NXDOMAIN)', ours.absent, base.absent, null),
      ],
      settings: { names: String(names), 'each measurement': `${seconds} s`, dnsperf: '8 clients, 200 queries under way' },
    };
  },
};
