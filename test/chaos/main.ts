/**
 * `npm run chaos`: Prybar's real processes on simulated machines while everything under them is killed, frozen, cut and
 * flushed by a schedule that the seed decides; then calm; then the checker reads what happened. docs/chaos.md tells more.
 * It ends only what it started, and speaks to 127.0.0.1 alone.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findPackageRoot } from '../../src/db/package-root.js';
import { randomOf } from '../support/random.js';
import { violations } from './checker.js';
import { Faults } from './faults.js';
import { readDatabase, readJournal, type History } from './history.js';
import { brokenPromises, inWords, standing } from './monitor.js';
import { readOptions, type Options } from './options.js';
import { planOf } from './schedule.js';
import { Closers, LEASE_SECONDS, openWorld, type World } from './world.js';

const LINE_MS = 5000;
const REST_MS = 240_000;
const SHOWN = 25;
const say = (text: string) => process.stdout.write(`${text}\n`);

/** How one history ended. */
type Result = { options: Options; violations: string[]; seconds: number; summary: string };

async function chaos(options: Options, closers: Closers): Promise<Result> {
  const begun = Date.now();
  const at = () => `${String(Math.round((Date.now() - begun) / 1000)).padStart(4)} s`;
  const folder = path.join(findPackageRoot(), '.prybar', 'chaos', `${options.seed}-${options.backend}-${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  say(`chaos seed ${options.seed}: ${options.nodes} nodes x ${options.roles} roles on ${options.backend}, ${options.seconds} s of faults`);
  const world = await openWorld(options, folder, closers);
  const { db, site, operators, processes, follower } = world;
  await bindAll(world);
  say(`${at()}  ${operators.bound.size} noderoles are bound; the faults begin`);

  const seenLive: string[] = [];
  const faults = new Faults(world, randomOf(options.seed ^ 0x5eed));
  const watching = watch(world, (line) => say(`${at()}  ${line}`), seenLive);
  await Promise.all((['runs-0', 'runs-1', 'annealer-0', 'annealer-1', 'hooks'] as const).flatMap((name) => processes.get(name)?.start() ?? []));
  for (const id of site.deployments) await operators.perform({ kind: 'commit', at: site.deployments.indexOf(id) });
  const { faults: planned, deeds } = planOf(options.seed, options.seconds, options.backend, LEASE_SECONDS);
  const from = Date.now();
  const asked: Promise<void>[] = [];
  for (const step of [...planned.map((one) => ({ ...one, fault: one.what })), ...deeds.map((one) => ({ ...one, deed: one.what }))].sort(
    (a, b) => a.atMs - b.atMs,
  )) {
    await sleep(Math.max(0, from + step.atMs - Date.now()));
    if ('fault' in step) faults.begin(step.fault);
    else asked.push(operators.perform(step.deed));
  }
  await Promise.all([...asked, faults.calm()]);
  say(`${at()}  calm: ${[...faults.done].map(([kind, n]) => `${kind} ${n}`).join(', ')}`);
  const restless = await comeToRest(world, begun, (text) => say(`${at()}  ${text}`));
  await watching.stop();
  say(
    `${at()}  ${restless === null ? 'at rest' : `NOT at rest: ${restless}`}: ${inWords(await standing(db.pool))}; the API answered ${[...operators.answers].map(([answer, n]) => `${answer} ${n}`).join(', ')}`,
  );

  const history: History = {
    ...(await readDatabase(db.pool)),
    stamps: readJournal(path.join(folder, 'journal')),
    stream: { from: follower.from, ids: follower.ids, resets: follower.resets },
    bound: [...operators.bound],
    commits: operators.confirmed.flatMap((one) => (one.revision === undefined ? [] : [{ id: one.id, revision: one.revision }])),
    told: site.told,
    seenLive: [...seenLive, ...(restless === null ? [] : [`it did not come to rest: ${restless}`])],
  };
  const found = violations(history);
  const turns = history.stamps.filter((stamp) => stamp.kind === 'begin').length;
  const summary = `${history.noderoles.length} noderoles, ${history.runs.length} runs, ${turns} turns, ${history.events.length} events, ${history.lateResults.length} late results, the stream cut ${follower.cuts} times, ${[...processes.values()].reduce((sum, child) => sum + child.starts, 0)} process starts`;
  writeFileSync(path.join(folder, 'violations.txt'), `${found.join('\n')}\n`);
  if (found.length > 0) {
    say(`VIOLATIONS (${found.length}) with seed ${options.seed} on ${options.backend}:`);
    for (const what of found.slice(0, SHOWN)) say(`  ${what}`);
    say(`  kept: ${folder} (journal, logs, violations.txt) and the data of PostgreSQL in ${world.postgres.dataDir}`);
  }
  await closers.closeAll();
  if (found.length === 0 && !options.keep) for (const kept of [folder, world.postgres.dataDir]) rmSync(kept, { recursive: true, force: true });
  return { options, violations: found, seconds: Math.round((Date.now() - begun) / 1000), summary };
}

/** Binds the leaf to every machine, and tells the brittle role of a few to fail for good. */
async function bindAll({ site, operators, db }: World): Promise<void> {
  const waiting = [...site.nodes];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) await operators.bind(node);
    }),
  );
  const { rows } = await db.pool.query<{ id: number }>(
    `SELECT nr.id FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE ro.name = 'brittle' AND nr.node_id % 25 = 3 ORDER BY nr.id`,
  );
  for (const { id } of rows) await operators.client.nodeRoles.setData(id, { chaos: { fail: 'as told' } });
  site.told.push(...rows.map((row) => row.id));
}

function watch({ db }: World, line: (text: string) => void, seenLive: string[]): { stop(): Promise<void> } {
  let isOpen = true;
  const loop = (async () => {
    while (isOpen) {
      try {
        for (const what of await brokenPromises(db.pool)) if (!seenLive.includes(`seen live: ${what}`)) seenLive.push(`seen live: ${what}`);
        line(inWords(await standing(db.pool)));
      } catch (error) {
        line(`(no answer: ${error instanceof Error ? error.message : String(error)})`);
      }
      for (const until = Date.now() + LINE_MS; isOpen && Date.now() < until;) await sleep(100);
    }
  })();
  return {
    async stop() {
      isOpen = false;
      await loop;
    },
  };
}

/** Does what operators would do in the end, until nothing moves; null, or what still does when the time is over. */
async function comeToRest(world: World, begun: number, line: (text: string) => void): Promise<string | null> {
  const { db, site, operators, follower } = world;
  let what = 'nothing was looked at';
  let said = Date.now();
  for (const until = Date.now() + REST_MS; Date.now() < until; await sleep(1000)) {
    for (const id of site.deployments) {
      const { rows } = await db.pool.query<{ paused: boolean; open: boolean }>(
        `SELECT paused_at IS NOT NULL AS paused, committed_at IS NULL OR EXISTS (SELECT 1 FROM node_roles nr WHERE nr.deployment_id = d.id AND (nr.state = 'PROPOSED' OR nr.proposed_data IS NOT NULL))
                OR EXISTS (SELECT 1 FROM deployment_roles dr WHERE dr.deployment_id = d.id AND dr.proposed_data IS NOT NULL) AS open FROM deployments d WHERE id = $1`,
        [id],
      );
      if (rows[0]?.paused) await operators.client.deployments.update(id, { paused: false }).catch(() => undefined);
      if (rows[0]?.open) await operators.perform({ kind: 'commit', at: site.deployments.indexOf(id) });
    }
    const { rows: bare } = await db.pool.query<{ id: number }>(
      `SELECT n.id FROM nodes n WHERE n.id = ANY($1) AND NOT EXISTS (SELECT 1 FROM node_roles nr JOIN roles ro ON ro.id = nr.role_id WHERE nr.node_id = n.id AND ro.name = $2)`,
      [site.nodes, site.leafRole],
    );
    for (const { id } of bare) await operators.bind(id).catch(() => undefined);
    const { rows: failed } = await db.pool.query<{ id: number }>(
      `SELECT id FROM node_roles WHERE state = 'ERROR' AND error_code IS DISTINCT FROM 'told-to-fail'`,
    );
    for (const { id } of failed) await operators.client.nodeRoles.retry(id).catch(() => undefined);

    const now = await standing(db.pool);
    const { rows: open } = await db.pool.query<{ n: number; newest: number }>(
      `SELECT (SELECT count(*) FROM node_roles nr WHERE nr.state IN ('TODO', 'TRANSITION', 'PROPOSED'))::int AS n, (SELECT coalesce(max(pos), 0) FROM outbox_batches) AS newest`,
    );
    const behind = (open[0]?.newest ?? 0) - follower.position();
    what = `${open[0]?.n} noderoles on their way, ${now.live} live runs, ${now.unsettled} unsettled, ${failed.length} to retry, the stream is ${behind} behind`;
    if (open[0]?.n === 0 && now.live === 0 && now.unsettled === 0 && failed.length === 0 && bare.length === 0 && behind <= 0) return null;
    if (Date.now() - said < LINE_MS) continue;
    said = Date.now();
    line(`not yet: ${what}`);
  }
  return `${what} (after ${Math.round((Date.now() - begun) / 1000)} s)`;
}

async function main(): Promise<number> {
  const all = readOptions(process.argv.slice(2), Date.now());
  const closers = new Closers();
  const leave = (signal: string) => void closers.closeAll().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  process.once('SIGINT', leave).once('SIGTERM', leave);
  const results: Result[] = [];
  try {
    for (const options of all) {
      results.push(await chaos(options, closers));
      const last = results.at(-1) as Result;
      say(
        `chaos seed ${last.options.seed} on ${last.options.backend}: ${last.violations.length === 0 ? 'sound' : `${last.violations.length} violations`} after ${last.seconds} s; ${last.summary}`,
      );
    }
  } finally {
    await closers.closeAll();
  }
  if (results.length > 1)
    for (const { options, violations: found, seconds } of results)
      say(`  ${options.seed}  ${options.backend.padEnd(8)}  ${found.length === 0 ? 'sound' : `${found.length} violations`}  ${seconds} s`);
  return results.every((result) => result.violations.length === 0) ? 0 : 1;
}

process.exit(
  await main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (process.env.PRYBAR_DEBUG ? error.stack : error.message) : String(error)}\n`);
    return 2;
  }),
);
