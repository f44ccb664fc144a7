/** The machine a bench ran on, and the CPU time and memory of processes, read from /proc (Linux). */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';

/** Clock ticks per second of /proc/<pid>/stat; fixed at 100 for user space on every architecture of Linux. */
const TICKS_PER_SECOND = 100;

export function describeMachine(): Record<string, string> {
  const [first] = cpus();
  return {
    cpu: `${cpus().length} x ${first?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
  };
}

/** Load of the last minute, five and fifteen. */
export const load = (): string =>
  loadavg()
    .map((value) => value.toFixed(2))
    .join(' ');

type Stat = { parent: number; seconds: number; childSeconds: number };

/** Fields after the command's name, which may hold spaces and brackets. proc(5). */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = (from: number) => (Number(fields[from]) + Number(fields[from + 1])) / TICKS_PER_SECOND;
    return { parent: Number(fields[1]), seconds: ticks(11), childSeconds: ticks(13) };
  } catch {
    return undefined; // it ended between two looks
  }
}

/** CPU seconds (user and system) of a process, 0 when it is gone. */
export const cpuSeconds = (pid: number): number => readStat(pid)?.seconds ?? 0;

/** CPU seconds of a process and of all its direct children, those that ended included: a PostgreSQL server. */
export function cpuSecondsOfFamily(pid: number): number {
  const own = readStat(pid);
  if (!own) return 0;
  const living = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat?.parent === pid);
  return own.seconds + own.childSeconds + living.reduce((sum, stat) => sum + (stat?.seconds ?? 0), 0);
}

function readKib(file: string, key: string): number {
  try {
    return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The highest resident size the process ever had, MB. Pages that processes share count in each. */
export const peakResidentMb = (pid: number): number => readKib(`/proc/${pid}/status`, 'VmHWM') / 1024;

/** Its proportional share now, MB: a page of three processes counts a third in each, so that a sum is the truth. */
export const proportionalMb = (pid: number): number => readKib(`/proc/${pid}/smaps_rollup`, 'Pss') / 1024;
