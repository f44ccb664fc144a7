/**
 * One boot of one machine, from the firmware's self test to the reboot that ends it. `bootOnce` returns when the machine
 * wants to reboot and rejects with BootFailure when it cannot go on, or with the signal's reason when the power goes.
 */
import { randomUUID } from 'node:crypto';
import { runAgent } from '../agent/agent.js';
import { resumeInstaller, runInstaller, type InstallHooks, type InstallWork } from '../agent/installer.js';
import { reportBoot, reportFacts, type NodeSession } from '../agent/session.js';
import { BootFailure } from '../boot-failure.js';
import type { Counters } from '../counters.js';
import type { Gate } from '../gate.js';
import type { MachineIdentity } from '../identity.js';
import type { BootLife, MachinePhase, MachineTiming } from '../life.js';
import { pause } from '../pause.js';
import { jitter, type Random } from '../random.js';
import type { SavedMachine } from '../state-files.js';
import { acquireLease, renewLease, type DhcpClientOptions } from '../wire/dhcp-client.js';
import type { Lease } from '../wire/dhcp-reply.js';
import type { DhcpStage } from '../wire/dhcp-requests.js';
import type { FaultRates } from '../wire/faults.js';
import { HttpClient } from '../wire/http-client.js';
import { fetchByTftp } from '../wire/tftp-client.js';
import type { KernelLine } from './kernel-line.js';
import { bootScript, checkLoader, type BootTarget } from './netboot.js';

/** What a boot needs of its machine. */
export type BootContext = {
  readonly identity: MachineIdentity;
  /** Where DHCP and TFTP are. The ports are of the site, not of the protocol, as behind a NAT. */
  readonly servers: { host: string; dhcpPort: number; tftpPort: number };
  readonly timing: MachineTiming;
  readonly faults: FaultRates;
  readonly gate: Gate;
  readonly random: Random;
  readonly counters: Counters;
  readonly saved: () => SavedMachine;
  /** Changes what survives the power; resolves when it is on disk. */
  readonly keep: (change: Partial<SavedMachine>) => Promise<void>;
  readonly show: (phase: MachinePhase, detail?: string) => void;
  readonly complain: (text: string) => void;
  /** The node this machine turned out to be. */
  readonly recognised: (node: { id: number; name: string }) => void;
};

/** A lease that was not renewed is tried again after this, and never more often. */
const RENEW_AGAIN_SECONDS = 60;
const HANG_MS = 60_000;

type Running = { life: BootLife; lease: Lease };

export async function bootOnce(context: BootContext, signal: AbortSignal): Promise<void> {
  const connections: HttpClient[] = [];
  context.show('post');
  const leave = await context.gate.enter(signal);
  try {
    context.counters.boots += 1;
    await pause(jitter(context.random, context.timing.selfTestMs), signal);
    const { nextBoot, installing } = context.saved();
    if (installing !== null) return await resumeInstall(context, installing, connections, leave, signal);
    if (nextBoot !== null) await context.keep({ nextBoot: null });
    const quirks = context.faults.quirks ?? {};
    if (quirks.dead === true) await hang(signal);

    const network = nextBoot === 'disk' || quirks.diskFirst === true ? undefined : await bootNetwork(context, connections, leave, signal);
    if (network?.target.kind === 'ramdisk') {
      leave();
      await runRamdisk(context, network, network.target.line, signal);
    } else {
      await bootDisk(context, connections, leave, signal);
    }
  } finally {
    leave();
    for (const http of connections) http.close();
  }
}

/** Firmware and iPXE: DHCP, the loader, DHCP again, the script and what it loads. */
async function bootNetwork(context: BootContext, connections: HttpClient[], leave: () => void, signal: AbortSignal): Promise<Running & { target: BootTarget }> {
  const { identity, servers, timing, faults, random, counters, show, complain } = context;
  show('dhcp');
  const firmware = await lease(context, 'firmware', signal);
  const { bootFile: file, nextServer } = firmware;
  if (file === undefined || nextServer === undefined) throw new BootFailure('no-boot-file', 'PXE-E53: No boot filename received');
  show('loader', file);
  const server = { host: nextServer, port: servers.tftpPort };
  const { loss: lossRate, quirks } = faults;
  await fetchByTftp({ server, localAddress: firmware.address, file, timeoutMs: timing.tftpTimeoutMs, lossRate, quirks, random, counters }, signal);
  checkLoader(identity.firmware, file);
  if (quirks?.loader === 'refused') throw new BootFailure('wrong-loader', 'Security Violation');
  if (quirks?.loader === 'hangs') await hang(signal);

  show('ipxe');
  const second = quirks?.loader === 'unnamed' ? await askUnnamed(context, server, signal) : await lease(context, 'ipxe', signal);
  if (quirks?.waitsForRouterMs !== undefined) await pause(quirks.waitsForRouterMs, signal);
  if (second.address !== firmware.address) complain(`iPXE was leased ${second.address}, firmware ${firmware.address} (netboot-rules 5)`);
  const life = beginLife(context, second, connections, leave);
  return { life, lease: second, target: await bootScript(life, second, complain, signal) };
}

/** A loader that is taken for firmware fetches the loader again, which does the same. */
async function askUnnamed(context: BootContext, server: { host: string; port: number }, signal: AbortSignal): Promise<Lease> {
  const { timing, faults, random, counters } = context;
  for (;;) {
    const again = await lease(context, 'unnamed', signal);
    if (again.bootFile === undefined || /^https?:/.test(again.bootFile)) return again;
    const options = { localAddress: again.address, file: again.bootFile, timeoutMs: timing.tftpTimeoutMs, lossRate: faults.loss };
    await fetchByTftp({ server, ...options, random, counters }, signal);
  }
}

/** What a kernel with a quirk does: nothing, or ask for an address and no more. */
async function bootQuirkyKernel(context: BootContext, line: KernelLine, signal: AbortSignal): Promise<void> {
  const { kernel, needsDns } = context.faults.quirks ?? {};
  if (kernel === 'no-nic') await hang(signal);
  if (kernel === undefined && needsDns !== true) return;
  const options = dhcpOptions(context);
  if (kernel === 'no-lease') await acquireLease({ ...options, refusesLeases: true }, 'system', signal);
  const own = await lease(context, 'system', signal);
  const asksForDns = needsDns === true && line.words.get('prybar.class') === 'installer' && own.dns.every((server) => server === own.serverId);
  if (kernel === 'mute' || asksForDns) await hang(signal);
}

/** Stands still until the power goes. */
async function hang(signal: AbortSignal): Promise<never> {
  for (;;) await pause(HANG_MS, signal);
}

async function runRamdisk(context: BootContext, running: Running, line: KernelLine, signal: AbortSignal): Promise<void> {
  await bootQuirkyKernel(context, line, signal);
  const bootClass = line.words.get('prybar.class');
  context.show('ramdisk', line.words.get('prybar.bootenv') ?? '');
  if (bootClass === 'installer') {
    await whileInstalling(context, signal, async (hooks) => runInstaller(running.life, line, hooks, signal));
    return;
  }
  if (bootClass !== 'discovery' && bootClass !== 'maintenance') {
    throw new BootFailure('no-kernel-class', `prybar.class=${bootClass ?? ''} on the kernel line`);
  }
  const base = line.words.get('prybar.url') ?? '';
  const token = context.faults.quirks?.token ?? line.words.get('prybar.token') ?? '';
  await serve(context, running, async () => reportFacts(running.life, base, token, bootClass, signal), signal);
}

async function resumeInstall(context: BootContext, work: InstallWork, connections: HttpClient[], leave: () => void, signal: AbortSignal): Promise<void> {
  const own = await lease(context, 'system', signal);
  const life = beginLife(context, own, connections, leave);
  leave();
  await whileInstalling(context, signal, async (hooks) => resumeInstaller(life, work, hooks, signal));
}

/** Keeps the installation in the files as long as it may go on: not when it failed, and not when it is done. */
async function whileInstalling(context: BootContext, signal: AbortSignal, install: (hooks: InstallHooks) => Promise<void>): Promise<void> {
  try {
    await install({
      begin: async (installing) => context.keep({ disk: null, installing }),
      finish: async (disk) => context.keep({ disk, installing: null }),
    });
  } catch (error) {
    if (!signal.aborted) await context.keep({ installing: null });
    throw error;
  }
}

/** The disk's system: its own DHCP, then its agent. An empty disk is a failed boot. */
async function bootDisk(context: BootContext, connections: HttpClient[], leave: () => void, signal: AbortSignal): Promise<void> {
  const { disk } = context.saved();
  context.show('disk', disk?.bootenv ?? '');
  if (context.faults.quirks?.diskFirst === true) await lease(context, 'system', signal);
  if (disk === null || context.faults.quirks?.badDisk === true) throw new BootFailure('no-system-on-disk', 'No bootable device');
  const own = await lease(context, 'system', signal);
  const life = beginLife(context, own, connections, leave);
  leave();
  await serve(context, { life, lease: own }, async () => reportBoot(life, disk, signal), signal);
}

/** A running system: announces itself, works, announces itself again when it is refused. Ends with a reboot. */
async function serve(context: BootContext, running: Running, announce: () => Promise<NodeSession>, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const renewing = holdLease(context, running.lease, AbortSignal.any([signal, over.signal]));
  try {
    for (;;) {
      const session = await announce();
      context.recognised({ id: session.nodeId, name: session.name });
      context.show('running', 'idle');
      if ((await runAgent(running.life, session, signal)) === 'reboot') return;
      await pause(jitter(context.random, 1_000), signal);
    }
  } finally {
    over.abort();
    await renewing;
  }
}

/** Renews at T1 as long as the system runs; a failure is tried again, and no failure ends the system. */
async function holdLease(context: BootContext, lease: Lease, signal: AbortSignal): Promise<void> {
  let renewSeconds = lease.renewSeconds;
  while (!signal.aborted) {
    try {
      await pause(Math.max(renewSeconds, RENEW_AGAIN_SECONDS) * 1000, signal);
      renewSeconds = (await renewLease(dhcpOptions(context), lease.address, signal))?.renewSeconds ?? 0;
    } catch (error) {
      if (!signal.aborted) context.complain(`the lease was not renewed: ${String(error)}`);
      renewSeconds = 0;
    }
  }
}

async function lease(context: BootContext, stage: DhcpStage, signal: AbortSignal): Promise<Lease> {
  const granted = await acquireLease(dhcpOptions(context), stage, signal);
  if (granted.address !== context.saved().address) await context.keep({ address: granted.address });
  return granted;
}

function dhcpOptions(context: BootContext): DhcpClientOptions {
  const { identity, servers, timing, faults, random, counters, complain } = context;
  const server = { host: servers.host, port: servers.dhcpPort };
  return { identity, server, timeoutsMs: timing.dhcpTimeoutsMs, lossRate: faults.loss, quirks: faults.quirks, random, counters, complain };
}

function beginLife(context: BootContext, granted: Lease, connections: HttpClient[], leaveGate: () => void): BootLife {
  const { identity, counters, random, faults, timing, show } = context;
  const http = new HttpClient(granted.address, counters, faults.quirks);
  connections.push(http);
  return { identity, bootId: randomUUID(), http, counters, random, faults, timing, show, leaveGate };
}
