/** What the system says of a process that is not our child, from /proc. */
import { readFileSync } from 'node:fs';

/** True while the number is taken, by a zombie too: what PostgreSQL looks at before it believes its own pid file. */
export function isPidTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * When a process began, in clock ticks since boot: with the pid it names one process for ever, also after the pid is
 * reused. Undefined when it is gone or dead; a zombie is dead, and stays one where process 1 reaps nothing (containers).
 */
export function startTimeOf(pid: number): string | undefined {
  try {
    // The program's name in field 2 may hold spaces and brackets, so count from its last bracket: state is field 3, the time 22.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()?.split(' ') ?? [];
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export const isAlive = (pid: number): boolean => startTimeOf(pid) !== undefined;
