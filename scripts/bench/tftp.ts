/**
 * TFTP against tftpd-hpa and atftpd from Debian: a file of 64 MB in blocks of 1428, one client and fifty, one block at a time
 * and in windows. The client is Debian's atftp, a process for each transfer, the same for all servers.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTools } from '../lib/debian-tools.mjs';
import { prepare } from '../lib/prepare.mjs';
import type { Bench, Row, Tools } from './bench.js';
import { load } from './lib/machine.js';
import { runClient } from './lib/program.js';
import { startAtftpd, startHpa, startOurs, type Server } from './tftp/servers.js';

const FILE = 'kernel';
const BLOCK_BYTES = 1428;
const WINDOW_BLOCKS = 16;
const CLIENT_TIMEOUT_MS = 300_000;

type Load = { clients: number; windowBlocks: number };
type Seen = { megabytesPerSecond: number; cpuMicros: number | null };

/** One load on one server: by the clock, and CPU microseconds of the server for each MB. */
async function measure(server: Server, atftp: { path: string; env: NodeJS.ProcessEnv }, { clients, windowBlocks }: Load, megabytes: number): Promise<Seen> {
  const options = ['--option', `blksize ${BLOCK_BYTES}`, ...(windowBlocks === 1 ? [] : ['--option', `windowsize ${windowBlocks}`])];
  const args = [...options, '--get', '--remote-file', FILE, '--local-file', '/dev/null', '127.0.0.1', String(server.port)];
  const before = server.cpu();
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: clients }, () => runClient({ path: atftp.path, args, env: atftp.env }, CLIENT_TIMEOUT_MS)));
  const seconds = (performance.now() - startedAt) / 1_000;
  const total = clients * megabytes;
  return { megabytesPerSecond: total / seconds, cpuMicros: before === undefined ? null : (((server.cpu() ?? 0) - before) * 1e6) / total };
}

/** Of several rounds, taken in turns so that what else the machine does meets all servers alike. */
function median(seen: Seen[]): Seen {
  const sorted = seen.toSorted((one, other) => one.megabytesPerSecond - other.megabytesPerSecond);
  return sorted[Math.floor(sorted.length / 2)] ?? { megabytesPerSecond: 0, cpuMicros: 0 };
}

const text = (seen: Seen) => `${seen.megabytesPerSecond.toFixed(1)} MB/s`;

export const tftp: Bench = {
  name: 'tftp',
  about: 'TFTP transfers against tftpd-hpa and atftpd: one client and fifty, with and without windows',
  options: { megabytes: 'size of the file; default 64', rounds: 'of each load, taken in turns; default 3', clients: 'of the large load; default 50' },
  async run(options, tools) {
    await prepare({ until: 'generate' });
    const { atftp } = await ensureTools(['atftp']);
    const number = (name: string, fallback: number) => (typeof options[name] === 'string' ? Number(options[name]) : fallback);
    const [megabytes, rounds, many] = [number('megabytes', 64), number('rounds', 3), number('clients', 50)];
    const root = makeRoot(megabytes, tools);
    const ours = await startOurs(root, tools);
    const atftpd = await startAtftpd(root, tools);
    const hpa = await startHpa(root, tools);
    if (hpa === undefined) tools.say('- tftpd-hpa is left out: it starts as root only');
    // Ours starts its threads with the first large file, which does not wait for them; the files are in memory afterwards.
    for (const server of [hpa, atftpd, ours])
      if (server !== undefined) for (const clients of [1, 4]) await measure(server, atftp, { clients, windowBlocks: WINDOW_BLOCKS }, megabytes);
    const rows: Row[] = [];
    const compare = async (reference: Server | undefined, loadOf: Load, aim: number | null): Promise<void> => {
      if (reference === undefined) return;
      const name = `${loadOf.clients} client${loadOf.clients === 1 ? '' : 's'}, ${loadOf.windowBlocks === 1 ? 'one block at a time' : `windowsize ${loadOf.windowBlocks}`}`;
      tools.say(`- ${name}, against ${reference.name} (load ${load().split(' ')[0]})`);
      const [mine, theirs]: [Seen[], Seen[]] = [[], []];
      for (let round = 0; round < rounds; round += 1) {
        theirs.push(await measure(reference, atftp, loadOf, megabytes));
        mine.push(await measure(ours, atftp, loadOf, megabytes));
        tools.say(`    Prybar ${text(mine.at(-1) ?? median(mine))}, ${reference.name} ${text(theirs.at(-1) ?? median(theirs))}`);
      }
      rows.push(rowOf(name, reference.name, median(mine), median(theirs), aim));
    };
    await compare(hpa, { clients: 1, windowBlocks: 1 }, 1.0);
    await compare(hpa, { clients: many, windowBlocks: 1 }, 1.0);
    await compare(atftpd, { clients: 1, windowBlocks: WINDOW_BLOCKS }, 0.7);
    await compare(atftpd, { clients: many, windowBlocks: WINDOW_BLOCKS }, 0.4);
    return { rows, settings: { file: `${megabytes} MB`, blksize: String(BLOCK_BYTES), rounds: `median of ${rounds}` } };
  },
};

function makeRoot(megabytes: number, tools: Tools): string {
  const root = mkdtempSync(join(tmpdir(), 'prybar-tftp-'));
  tools.onEnd(async () => rmSync(root, { recursive: true, force: true }));
  // The reference servers read as nobody.
  chmodSync(root, 0o755);
  writeFileSync(join(root, FILE), randomBytes(megabytes * 1024 * 1024), { mode: 0o644 });
  return root;
}

function rowOf(name: string, reference: string, mine: Seen, theirs: Seen, aim: number | null): Row {
  const ratio = mine.megabytesPerSecond / theirs.megabytesPerSecond;
  return {
    name: `TFTP, ${name}`,
    ours: text(mine),
    baseline: `${reference} ${text(theirs)}`,
    ratio,
    aim: aim === null ? '' : `>= ${aim.toFixed(1)}x`,
    reached: aim === null ? null : ratio >= aim,
    cpuMicros: mine.cpuMicros,
    note: `CPU us of the server for each MB; ${reference} ${theirs.cpuMicros === null ? 'cannot be told, its processes are gone' : Math.round(theirs.cpuMicros)}`,
  };
}
