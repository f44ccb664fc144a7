/**
 * Boot HTTP against nginx from Debian (a file of 64 MB) and against bare Express 5 (a rendered script against "hello"). The load
 * is wrk, one thread, the same for all; rounds are taken in turns.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { prepare } from '../lib/prepare.mjs';
import { probePort } from '../../src/db/postmaster.js';
import type { Bench, Row, Tools } from './bench.js';
import { runWrk, type HttpLoad, type HttpSeen } from './http/load.js';
import { startNginx } from './http/nginx.js';
import { startChild } from './lib/children.js';
import { cpuSeconds, cpuSecondsOfFamily, load } from './lib/machine.js';
import { startPostgres } from './lib/servers.js';

const MACHINES = 1_000;

type Server = { name: string; url: string; cpu: () => number };
type Seen = HttpSeen & { cpuSeconds: number };

const macOf = (index: number) => `52-54-00-00-${(index >> 8).toString(16).padStart(2, '0')}-${(index & 255).toString(16).padStart(2, '0')}`;

async function freePort(): Promise<number> {
  const port = await probePort(0);
  if (port === undefined) throw new Error('no port is free on 127.0.0.1');
  return port;
}

/** Machines that boot their disks: their script carries no token, so that every request of the load may have an answer of 200. */
async function seed(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`INSERT INTO deployments (name, system) SELECT 'system', true WHERE NOT EXISTS (SELECT 1 FROM deployments WHERE system)`);
    await client.query(
      `WITH made AS (
         INSERT INTO nodes (name, deployment_id, bootenv)
         SELECT 'node-' || i || '.bench.internal', (SELECT id FROM deployments WHERE system LIMIT 1), 'local' FROM generate_series(0, $1 - 1) AS i RETURNING id, name
       ) INSERT INTO nics (node_id, mac, boot) SELECT id, ($2::text[])[substring(name from 'node-(\\d+)')::int + 1], true FROM made`,
      [MACHINES, Array.from({ length: MACHINES }, (_, index) => macOf(index).replaceAll('-', ':'))],
    );
    await client.query('ANALYZE');
  } finally {
    await client.end();
  }
}

async function measure(server: Server, order: Omit<HttpLoad, 'url'>, path: string): Promise<Seen> {
  const before = server.cpu();
  const seen = await runWrk({ ...order, url: `${server.url}${path}` });
  return { ...seen, cpuSeconds: server.cpu() - before };
}

export const http: Bench = {
  name: 'http',
  about: 'boot HTTP against nginx (files) and bare Express 5 (rendered scripts)',
  options: { megabytes: 'size of the file; default 64', seconds: 'of each measurement; default 5', rounds: 'of each, taken in turns; default 3' },
  async run(options, tools) {
    await prepare({ until: 'generate' });
    const number = (name: string, fallback: number) => (typeof options[name] === 'string' ? Number(options[name]) : fallback);
    const [megabytes, seconds, rounds] = [number('megabytes', 64), number('seconds', 5), number('rounds', 3)];
    const home = makeHome(megabytes, tools);
    const postgres = await startPostgres(tools);
    const database = await postgres.createDatabase('prybar');
    await seed(database.url);
    const start = async (name: string, file: string, args: string[], env: NodeJS.ProcessEnv): Promise<Server & { pid: number }> => {
      const port = await freePort();
      const child = await startChild(name, { file, args: [...args, String(port)], env, execArgv: ['--import', 'tsx'] });
      tools.onEnd(() => child.stop());
      return { name, url: `http://127.0.0.1:${port}`, pid: child.pid, cpu: () => cpuSeconds(child.pid) };
    };
    const env = { DATABASE_URL: database.url, NODE_ENV: 'production' };
    const ours = await start('Prybar', 'scripts/bench/http/server.ts', [home], env);
    const express = await start('Express 5', 'scripts/bench/http/express.ts', [], env);
    const nginx = { name: 'nginx', ...(await startNginx(join(home, 'loaders'), await freePort(), tools)) };
    const withDatabase: Server = { ...ours, cpu: () => ours.cpu() + cpuSecondsOfFamily(postgres.pid) };

    const rows: Row[] = [];
    const inTurns = async (title: string, one: () => Promise<Seen>, other: () => Promise<Seen>, by: 'megabytesPerSecond' | 'requestsPerSecond') => {
      tools.say(`- ${title} (load ${load().split(' ')[0]})`);
      const [mine, theirs]: [Seen[], Seen[]] = [[], []];
      for (let round = 0; round < rounds; round += 1) {
        theirs.push(await other());
        mine.push(await one());
        tools.say(`    ours ${mine.at(-1)?.[by].toFixed(0)}, theirs ${theirs.at(-1)?.[by].toFixed(0)}`);
      }
      const middle = (seen: Seen[]) => seen.toSorted((a, b) => a[by] - b[by])[Math.floor(seen.length / 2)] ?? seen[0];
      return [middle(mine), middle(theirs)] as const;
    };
    for (const connections of [1, 64]) {
      const title = `HTTP, a file of ${megabytes} MB, ${connections} connection${connections === 1 ? '' : 's'}`;
      const order = { connections, seconds };
      const [mine, theirs] = await inTurns(
        title,
        () => measure(ours, order, '/boot/loaders/kernel'),
        () => measure(nginx, order, '/kernel'),
        'megabytesPerSecond',
      );
      const each = (seen: Seen) => (seen.cpuSeconds * 1e6) / seen.megabytes;
      rows.push(
        row(
          title,
          `${mine.megabytesPerSecond.toFixed(0)} MB/s`,
          `nginx ${theirs.megabytesPerSecond.toFixed(0)} MB/s`,
          mine.megabytesPerSecond / theirs.megabytesPerSecond,
          0.5,
          each(mine),
          `CPU us of the server for each MB; nginx ${each(theirs).toFixed(0)}`,
        ),
      );
    }
    const script = join(home, 'machines.lua');
    const order = { connections: 64, seconds };
    const title = 'rendered iPXE script, 64 connections';
    const [mine, theirs] = await inTurns(
      title,
      () => measure(withDatabase, { ...order, script }, ''),
      () => measure(express, order, '/'),
      'requestsPerSecond',
    );
    const each = (seen: Seen) => (seen.cpuSeconds * 1e6) / seen.requests;
    rows.push(
      row(
        title,
        `${mine.requestsPerSecond.toFixed(0)}/s`,
        `Express "hello" ${theirs.requestsPerSecond.toFixed(0)}/s`,
        mine.requestsPerSecond / theirs.requestsPerSecond,
        1.0,
        each(mine),
        `${MACHINES} machines in turn, each read from PostgreSQL, whose CPU is counted; Express ${each(theirs).toFixed(0)} us`,
      ),
    );
    return { rows, settings: { load: 'wrk, 1 thread', seconds: String(seconds), rounds: `median of ${rounds}` } };
  },
};

function makeHome(megabytes: number, tools: Tools): string {
  const home = mkdtempSync(join(tmpdir(), 'prybar-http-'));
  tools.onEnd(async () => rmSync(home, { recursive: true, force: true }));
  mkdirSync(join(home, 'loaders'));
  writeFileSync(join(home, 'loaders', 'kernel'), randomBytes(megabytes * 1024 * 1024));
  writeFileSync(
    join(home, 'machines.lua'),
    `local i = 0
     request = function()
       i = (i + 1) % ${MACHINES}
       return wrk.format(nil, string.format("/boot/ipxe/52-54-00-00-%02x-%02x", math.floor(i / 256), i % 256))
     end`,
  );
  return home;
}

function row(name: string, ours: string, baseline: string, ratio: number, aim: number, cpuMicros: number, note: string): Row {
  return { name, ours, baseline, ratio, aim: `>= ${aim.toFixed(1)}x`, reached: ratio >= aim, cpuMicros, note };
}
