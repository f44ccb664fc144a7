/** Drives an ISC dhcpd by a file of host declarations: written, checked, and read by a server that is started anew. */
import { UpstreamError } from '../../shared/errors.js';
import type { BootPlace, HostRecord } from '../host-records.js';
import { iscHosts } from '../isc-dhcpd.js';
import { readText, writeIfChanged } from './atomic-file.js';
import type { BackEnd } from './back-end.js';
import { findRunning, runCommand } from './program.js';
import type { IscDhcpdSettings } from './settings.js';
import { until } from './until.js';

const PROGRAM = 'dhcpd';

/** dhcpd reads its leases and forks; with 100,000 hosts that took seconds. Milliseconds. */
const START_TIMEOUT_MS = 15_000;

export function iscServer(settings: IscDhcpdSettings, place: BootPlace): BackEnd {
  let provenFor: string | undefined;

  const apply = async (hosts: readonly HostRecord[]): Promise<number> => {
    const text = iscHosts(hosts, { ...place, loaderForLocal: settings.loader_for_local });
    const before = await readText(settings.hosts_file);
    const isNew = await writeIfChanged(settings.hosts_file, text);
    if (isNew) provenFor = undefined;
    if (provenFor !== undefined && (await identity()) === provenFor) return 0;
    if (settings.check !== undefined) await checked(settings.check, before);
    await restart();
    return isNew ? 1 : 0;
  };

  /** A configuration that dhcpd refuses is taken back, so that a restart by anybody else still finds one that works. */
  const checked = async (command: readonly string[], before: string | null): Promise<void> => {
    try {
      await runCommand(command);
    } catch (error) {
      if (before !== null) await writeIfChanged(settings.hosts_file, before);
      throw error;
    }
  };

  const restart = async (): Promise<void> => {
    const old = await identity();
    await runCommand(settings.restart);
    const isThere = await until(START_TIMEOUT_MS, async () => {
      const now = await identity();
      return now !== undefined && now !== old;
    });
    if (!isThere) throw new UpstreamError(`${settings.restart.join(' ')} left no new dhcpd in ${settings.pid_file} in ${START_TIMEOUT_MS / 1000} s`);
    provenFor = await identity();
  };

  const identity = async (): Promise<string | undefined> =>
    findRunning(settings.pid_file, PROGRAM).then(
      ({ pid, startedTicks }) => `${pid} ${startedTicks}`,
      () => undefined,
    );

  return { apply, close: () => Promise.resolve() };
}
