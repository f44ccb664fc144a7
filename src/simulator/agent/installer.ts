import { BootFailure } from '../boot-failure.js';
import { answersUrl, type KernelLine } from '../boot/kernel-line.js';
import type { BootLife } from '../life.js';
import { pause } from '../pause.js';
import { readAnswers } from './answers.js';
import { callHome, callHomeFor } from './call-home.js';
import { installedSchema, refusalText, type Installed } from './messages.js';
import type { DiskSystem } from './session.js';

/** Steps the progress is shown in. */
const STEPS = ['partitioning', 'base system', 'packages', 'boot loader'] as const;

export type InstallHooks = {
  /** The disk has been claimed: what was on it is gone, and stays gone when the power fails now. */
  wipe: () => Promise<void>;
  /** The new system is on the disk; called once, before the reboot. */
  write: (system: DiskSystem) => Promise<void>;
};

/**
 * An operating system installer from its kernel line to its reboot: fetches the answers, claims the disk, takes its time,
 * calls back. Rejects with BootFailure when the answers are of no use or a callback is refused.
 */
export async function runInstaller(life: BootLife, line: KernelLine, hooks: InstallHooks, signal: AbortSignal): Promise<void> {
  const url = answersUrl(line);
  if (url === undefined) throw new BootFailure('script-failed', 'the installer asks its first question: no answers on the kernel line');
  const fetched = await callHome(life, { url }, signal);
  if (fetched.status !== 200) throw new BootFailure('callback-refused', `answers: ${refusalText(fetched.status, fetched.body)}`);
  const orders = readAnswers(fetched.body);
  if (typeof orders === 'string') throw new BootFailure('script-failed', orders);

  const disk = `/dev/${life.identity.disks[0]?.name ?? 'sda'}`;
  const claim = { disk, boot_id: life.bootId };
  const claimed = await callHome(life, { method: 'POST', url: `${orders.nodeUrl}/installing`, token: orders.installToken, json: claim }, signal);
  if (claimed.status >= 300) throw new BootFailure('callback-refused', `installing: ${refusalText(claimed.status, claimed.body)}`);
  await hooks.wipe();
  life.show('installing', orders.hostname ?? '');
  for (const step of STEPS) {
    await pause((life.timing.installSeconds * 1000) / STEPS.length, signal);
    life.show('installing', step);
  }
  const installed = await reportInstalled(life, `${orders.nodeUrl}/bootenv-local`, orders.installToken, disk, signal);
  await hooks.write({
    installId: String(installed.install_id),
    nodeId: installed.node.id,
    diskToken: installed.disk_token,
    agentUrl: installed.agent.url,
    bootenv: line.words.get('prybar.bootenv') ?? '',
  });
  life.counters.installs += 1;
  life.show('installed', `install ${installed.install_id}`);
}

/** Calls back. When the fault injector loses the answer, the installer calls again with the same body (netboot-rules 18). */
async function reportInstalled(life: BootLife, url: string, token: string, disk: string, signal: AbortSignal): Promise<Installed> {
  const uefi = { loader_path: '\\EFI\\debian\\shimx64.efi', esp_uuid: life.identity.uuid };
  const question = { method: 'POST' as const, url, token, json: life.identity.firmware === 'uefi' ? { disk, ...uefi } : { disk } };
  if (life.random() < life.faults.lostCallback) await callHome(life, question, signal);
  return callHomeFor(life, question, installedSchema, signal);
}
