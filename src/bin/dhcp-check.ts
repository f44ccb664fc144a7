/** `prybar dhcp check`: looks at this machine before a segment is served. Changes nothing, asks for no lease. Wiring only. */
import { networkInterfaces } from 'node:os';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { judgeCheck, type Checked, type InterfaceFinding } from '../bootwatch/check.js';
import { loadConfig } from '../config/config.js';
import { networkWarnings } from '../dhcp/name-servers.js';
import { networkOfAddress, type Network } from '../dhcp/network.js';
import { findUdpOwners } from '../dhcp/port-owner.js';
import { readNetworks } from '../dhcp/read-table.js';
import { detectRivals } from '../dhcp/rivals.js';
import { ConfigError } from '../shared/errors.js';
import { parseIpv4 } from '../shared/ipv4.js';
import { printStartError } from './context.js';

const PORTS = [
  { port: 67, service: 'DHCP' },
  { port: 69, service: 'TFTP' },
  { port: 4011, service: 'PXE boot server' },
];
const MARKS = { bad: 'BAD ', odd: 'odd ', good: 'good' } as const;

/** What the database says; null without one. */
async function readDatabase(url: string | undefined): Promise<{ networks: readonly Network[]; warnings: string[]; ownPids: Set<number> } | null> {
  if (url === undefined) return null;
  const pool = new pg.Pool({ connectionString: url, max: 1, connectionTimeoutMillis: 3_000 });
  try {
    const { networks, problems } = await readNetworks(pool);
    const { rows } = await pool.query<{ kind: string; incarnation: string }>(
      'SELECT kind, incarnation FROM boot_servers WHERE lease_until > clock_timestamp()',
    );
    const servesDns = rows.some(({ kind }) => kind === 'dns');
    const warnings = [...problems, ...networks.flatMap((network) => networkWarnings(network, servesDns))];
    return { networks, warnings, ownPids: new Set(rows.map(({ incarnation }) => Number(incarnation))) };
  } finally {
    await pool.end();
  }
}

/** The interfaces asked for, or every one with an IPv4 address but loopback. Throws ConfigError for one that is not there. */
function chooseInterfaces(names: readonly string[]): { name: string; address: string }[] {
  const known = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).filter(({ family, internal }) => family === 'IPv4' && (!internal || names.includes(name))).map(({ address }) => ({ name, address })),
  );
  const missing = names.find((name) => !known.some((one) => one.name === name));
  if (missing !== undefined) {
    throw new ConfigError(`--interface: '${missing}' is no interface with an IPv4 address`, `choose among ${Object.keys(networkInterfaces()).join(', ')}`);
  }
  return known.filter(({ name }, index) => (names.length === 0 || names.includes(name)) && known.findIndex((one) => one.name === name) === index);
}

async function listen(name: string, seconds: number, own: readonly number[]): Promise<InterfaceFinding['rivals']> {
  try {
    return await detectRivals(name, seconds * 1000, { ownServerIds: own });
  } catch (error) {
    // Without the right to listen the rest of the check is still worth having; the item says so.
    return error instanceof Error ? error.message : String(error);
  }
}

function print({ ok, items }: Checked, json: boolean): void {
  if (json) return void process.stdout.write(`${JSON.stringify({ ok, items }, null, 2)}\n`);
  for (const { level, subject, text, fix } of items) process.stdout.write(`${MARKS[level]} ${subject}: ${text}${fix === '' ? '' : `\n     do: ${fix}`}\n`);
  process.stdout.write(ok ? 'This machine may serve.\n' : 'Put right what is BAD before you serve.\n');
}

try {
  const { values } = parseArgs({
    options: { interface: { type: 'string' }, seconds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
  });
  const config = loadConfig(process.env);
  const chosen = chooseInterfaces(values.interface?.split(',').filter(Boolean) ?? config.interfaces);
  const database = await readDatabase(config.databaseUrl);
  const own = chosen.map(({ address }) => parseIpv4(address) ?? 0);
  const interfaces = await Promise.all(
    chosen.map(async ({ name, address }): Promise<InterfaceFinding> => {
      const network = networkOfAddress(database?.networks ?? [], parseIpv4(address) ?? 0);
      return {
        name,
        address,
        network: network === undefined ? null : { name: network.name, mode: network.mode },
        rivals: await listen(name, Number(values.seconds), own),
      };
    }),
  );
  const ports = await Promise.all(PORTS.map(async (one) => ({ ...one, owners: await findUdpOwners(one.port) })));
  const checked = judgeCheck({ ports, ownPids: database?.ownPids ?? new Set(), interfaces, networks: database?.warnings ?? null });
  print(checked, values.json);
  process.exitCode = checked.ok ? 0 : 1;
} catch (error) {
  printStartError(error);
  process.exitCode = 2;
}
