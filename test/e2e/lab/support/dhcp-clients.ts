/** Independent DHCP clients of Debian's archive, each asked for one lease in its machine's namespace. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureTools } from '../../../../scripts/lib/debian-tools.mjs';
import { waitFor } from '../../../support/wait-for.js';
import { runIn, startIn } from './command.js';
import type { Port } from './world.js';

/** A client that runs and keeps its lease. */
export type DhcpClient = {
  /** What its script was told last for this reason (`bound`, `renew`, `release`), by name. */
  readonly told: (reason: string, timeoutMs?: number) => Promise<ReadonlyMap<string, string>>;
  readonly renew: () => Promise<void>;
  readonly release: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

export type ClientName = 'udhcpc' | 'dhclient' | 'dhcpcd';
export type ClientWords = {
  /** Says that it is PXE firmware of x64 UEFI, where the client can. */
  firmware?: boolean;
  /** Refuses the first address it is given, as if another machine answered for it. */
  declineFirst?: boolean;
};

/**
 * One line for each call, in one form for the three script interfaces; puts the address on the interface as the real scripts do.
 * With DECLINE_ONCE the first address is refused: dhclient sends a DECLINE when its script fails.
 */
const SCRIPT = `#!/bin/sh
reason=\${1:-$reason}
case $reason in bound|BOUND|REBOOT|renew|RENEW|REBIND)
  address=\${ip:-$new_ip_address}
  case $reason in renew|RENEW|REBIND) word=renew ;; *) word=bound ;; esac
  if [ -e "$LAB_DECLINE" ]; then rm "$LAB_DECLINE"; echo "declined ip=$address" >> "$LAB_OUT"; exit 1; fi
  ip addr replace "$address/24" dev "$interface"
  echo "$word ip=$address serverid=\${serverid:-$new_dhcp_server_identifier} router=\${router:-$new_routers} dns=\${dns:-$new_domain_name_servers} boot_file=\${boot_file:-\${new_filename:-$new_bootfile_name}} lease=\${lease:-$new_dhcp_lease_time}" >> "$LAB_OUT" ;;
release|deconfig|RELEASE|STOPPED|STOP)
  ip addr flush dev "$interface" scope global
  echo "release" >> "$LAB_OUT" ;;
esac
`;

const FIRMWARE_CLASS = 'PXEClient:Arch:00007:UNDI:003016';

/** Starts one of them; it goes on until stopped. */
export async function startDhcpClient(name: ClientName, port: Port, words: ClientWords = {}): Promise<DhcpClient> {
  const folder = mkdtempSync(path.join(tmpdir(), `prybar-${name}-`));
  chmodSync(folder, 0o755);
  const script = path.join(folder, 'script');
  const out = path.join(folder, 'out');
  writeFileSync(script, SCRIPT, { mode: 0o755 });
  writeFileSync(out, '');
  if (words.declineFirst === true) writeFileSync(path.join(folder, 'decline'), '');
  const { command, env, renew, release } = await commandOf(name, port, folder, words);
  const client = startIn(port.ns, command, { env: { ...env, LAB_OUT: out, LAB_DECLINE: path.join(folder, 'decline') } });
  const seen = new Map<string, number>();
  const signal = async (which: NodeJS.Signals | readonly string[]): Promise<void> => {
    if (typeof which === 'string') client.child.kill(which);
    else await runIn(port.ns, which, { env: { ...env, LAB_OUT: out } });
  };
  return {
    async told(reason, timeoutMs = 30_000) {
      const lines = (): string[] =>
        readFileSync(out, 'utf8')
          .split('\n')
          .filter((line) => line.startsWith(reason));
      const before = seen.get(reason) ?? 0;
      await waitFor(() => lines().length > before, {
        what: `${name} to tell of ${reason}; it said ${client.output().slice(-2000)}`,
        timeoutMs,
      }).catch((error: unknown) => {
        throw new Error(`${error instanceof Error ? error.message : String(error)}\n${client.output().slice(-3000)}`);
      });
      seen.set(reason, lines().length);
      return new Map([...(lines().at(-1) ?? '').matchAll(/(\w+)=(\S*)/g)].map((match) => [match[1] ?? '', match[2] ?? '']));
    },
    renew: () => signal(renew),
    release: () => signal(release),
    async stop() {
      await client.stop(name === 'udhcpc' ? 'SIGKILL' : 'SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

type Command = {
  command: readonly string[];
  env: NodeJS.ProcessEnv;
  renew: NodeJS.Signals | readonly string[];
  release: NodeJS.Signals | readonly string[];
};

async function commandOf(name: ClientName, { interface: nic }: Port, folder: string, words: ClientWords): Promise<Command> {
  const script = path.join(folder, 'script');
  switch (name) {
    case 'udhcpc': {
      const { busybox } = await ensureTools(['busybox']);
      const firmware = words.firmware === true ? ['-V', FIRMWARE_CLASS, '-x', '0x5d:0007', '-O', 'bootfile'] : [];
      // -a: looks by ARP whether the address is free, and declines it when it is not.
      const command = [busybox.path, 'udhcpc', '-f', '-a', '-t', '10', '-T', '1', '-A', '1', '-i', nic, '-s', script, ...firmware];
      return { command, env: busybox.env, renew: 'SIGUSR1', release: 'SIGUSR2' };
    }
    case 'dhclient': {
      const { dhclient } = await ensureTools(['dhclient']);
      const config = path.join(folder, 'dhclient.conf');
      const firmware =
        words.firmware === true ? `send vendor-class-identifier "${FIRMWARE_CLASS}";\noption arch code 93 = unsigned integer 16;\nsend arch 7;\n` : '';
      writeFileSync(config, `${firmware}timeout 20;\nretry 1;\nbackoff-cutoff 2;\ninitial-interval 1;\n`);
      const files = ['-4', '-cf', config, '-lf', path.join(folder, 'leases'), '-pf', path.join(folder, 'pid'), '-sf', script];
      const environment = ['-e', `LAB_OUT=${path.join(folder, 'out')}`, '-e', `LAB_DECLINE=${path.join(folder, 'decline')}`];
      const command = [dhclient.path, '-d', '-v', ...files, ...environment, nic];
      // dhclient renews by its own clock only: a lease time of seconds makes it. Started again with -r it releases.
      return { command, env: dhclient.env, renew: [], release: [dhclient.path, '-r', '-v', ...files, ...environment, nic] };
    }
    case 'dhcpcd': {
      const { dhcpcd } = await ensureTools(['dhcpcd']);
      const config = path.join(folder, 'dhcpcd.conf');
      const firmware = words.firmware === true ? `vendorclassid ${FIRMWARE_CLASS}\n` : '';
      writeFileSync(config, `ipv4only\nnoarp\nnoipv4ll\noption domain_name_servers, routers, dhcp_server_identifier, bootfile_name\n${firmware}`);
      mkdirSync('/var/lib/dhcpcd', { recursive: true });
      const command = [dhcpcd.path, '-B', '-d', '-f', config, '-c', script, '-e', `LAB_OUT=${path.join(folder, 'out')}`, nic];
      return { command, env: dhcpcd.env, renew: [dhcpcd.path, '-n', nic], release: [dhcpcd.path, '-k', nic] };
    }
  }
}
