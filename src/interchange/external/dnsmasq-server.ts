/** Drives a dnsmasq: two files, SIGHUP, and the proof that it has read them. */
import { stat, utimes } from 'node:fs/promises';
import { UpstreamError } from '../../shared/errors.js';
import { dnsmasqHosts, dnsmasqOptionsFile, readReloadLog } from '../dnsmasq.js';
import type { BootPlace, HostRecord } from '../host-records.js';
import { writeIfChanged } from './atomic-file.js';
import type { BackEnd } from './back-end.js';
import { findRunning, logEnd, readLogFrom, runCommand, sendHangup } from './program.js';
import type { DnsmasqSettings } from './settings.js';
import { until } from './until.js';

const PROGRAM = 'dnsmasq';

/** dnsmasq reads 10,000 hosts in well under a second. Milliseconds. */
const READ_TIMEOUT_MS = 5_000;

export function dnsmasqServer(settings: DnsmasqSettings, place: BootPlace): BackEnd {
  const files = [settings.hosts_file, settings.options_file];
  let provenFor: string | undefined;

  const apply = async (hosts: readonly HostRecord[]): Promise<number> => {
    const options = dnsmasqOptionsFile({
      ...place,
      tags: settings.tags,
      discoverUnknown: settings.discover_unknown,
      loaderForLocal: settings.loader_for_local,
    });
    const written = [await writeIfChanged(settings.hosts_file, dnsmasqHosts(hosts, settings.tags)), await writeIfChanged(settings.options_file, options)];
    const count = written.filter(Boolean).length;
    if (count > 0) provenFor = undefined;
    // A dnsmasq that was started since has read the files by itself: it is asked again all the same, to be sure.
    if ((await identity()) === provenFor) return count;
    await reload();
    provenFor = await identity();
    return count;
  };

  /** Who the proof is of. A server that a command starts may not be there yet. */
  const identity = async (): Promise<string> => {
    if (settings.pid_file === undefined) return 'whoever the command means';
    const { pid, startedTicks } = await findRunning(settings.pid_file, PROGRAM).catch((error: unknown) => {
      if (settings.restart === undefined) throw error;
      return { pid: 0, startedTicks: '' };
    });
    return `${pid} ${startedTicks}`;
  };

  const reload = async (): Promise<void> => {
    const offset = settings.log_file === undefined ? 0 : await logEnd(settings.log_file);
    if (settings.log_file === undefined) await Promise.all(files.map(markUnread));
    const command = settings.restart ?? settings.reload;
    if (command !== undefined) await runCommand(command);
    else if (settings.pid_file !== undefined) sendHangup(await findRunning(settings.pid_file, PROGRAM), PROGRAM);
    const read = await until(READ_TIMEOUT_MS, () => (settings.log_file === undefined ? areRead(files) : isLogged(settings.log_file, offset)));
    if (!read)
      throw new UpstreamError(
        `dnsmasq was told to reload and did not read ${files.join(' and ')} in ${READ_TIMEOUT_MS / 1000} s: does its configuration name them?` +
          (settings.log_file === undefined ? ' Give log_file where the file system keeps no access times.' : ''),
      );
  };

  const isLogged = async (log: string, offset: number): Promise<boolean> => {
    const { read, refused } = readReloadLog(await readLogFrom(log, offset), files);
    if (read && refused.length > 0) throw new UpstreamError(`dnsmasq refused ${refused.length} lines: ${refused[0] ?? ''}`);
    return read;
  };

  return { apply, close: () => Promise.resolve() };
}

/** Long before any read: with `relatime` (Linux's default) the next read sets the access time. */
const NEVER = new Date(86_400_000);

async function markUnread(file: string): Promise<void> {
  await utimes(file, NEVER, (await stat(file)).mtime);
}

async function areRead(files: readonly string[]): Promise<boolean> {
  const times = await Promise.all(files.map(async (file) => (await stat(file)).atimeMs));
  return times.every((time) => time > NEVER.getTime());
}
