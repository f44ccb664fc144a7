import { BootFailure } from '../boot-failure.js';
import { answersUrl, type KernelLine } from '../boot/kernel-line.js';
import type { BootLife } from '../life.js';
import { pause } from '../pause.js';
import type { HttpAnswer, HttpQuestion } from '../wire/http-client.js';
import { readAnswers } from './answers.js';
import { callHome, callHomeFor } from './call-home.js';
import { installedSchema, refusalText, type Installed } from './messages.js';
import type { DiskSystem } from './session.js';

/** Steps the progress is shown in. */
const STEPS = ['partitioning', 'base system', 'packages', 'boot loader'] as const;

/** An installation from the claim of the disk on, as it is kept while it goes on. */
export type InstallWork = {
  /** `<base>/node/<id>`. */
  readonly nodeUrl: string;
  readonly installToken: string;
  readonly bootenv: string;
};

export type InstallHooks = {
  /** The disk is about to be claimed: what was on it is gone. Kept, so that a restart of the rack process goes on here. */
  begin: (work: InstallWork) => Promise<void>;
  /** The new system is on the disk; called once, before the reboot. */
  finish: (system: DiskSystem) => Promise<void>;
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

  const work = { nodeUrl: orders.nodeUrl, installToken: orders.installToken, bootenv: line.words.get('prybar.bootenv') ?? '' };
  await hooks.begin(work);
  const claimed = await claimDisk(life, work, signal);
  if (claimed.status >= 300) throw new BootFailure('callback-refused', `installing: ${refusalText(claimed.status, claimed.body)}`);
  await writeSystem(life, work, hooks, signal);
}

/**
 * Goes on with an installation that the end of the rack process interrupted. Its machine was never without power, so this is
 * no second boot: it claims again, which is harmless, and a 409 says that its last call had arrived; that call's answer is
 * then asked for again.
 */
export async function resumeInstaller(life: BootLife, work: InstallWork, hooks: InstallHooks, signal: AbortSignal): Promise<void> {
  const claimed = await claimDisk(life, work, signal);
  if (claimed.status >= 300 && claimed.status !== 409) throw new BootFailure('callback-refused', `installing: ${refusalText(claimed.status, claimed.body)}`);
  await writeSystem(life, work, hooks, signal);
}

async function claimDisk(life: BootLife, work: InstallWork, signal: AbortSignal): Promise<HttpAnswer> {
  const json = { disk: diskPath(life), boot_id: life.bootId };
  return callHome(life, { method: 'POST', url: `${work.nodeUrl}/installing`, token: work.installToken, json }, signal);
}

async function writeSystem(life: BootLife, work: InstallWork, hooks: InstallHooks, signal: AbortSignal): Promise<void> {
  life.show('installing', work.bootenv);
  for (const step of STEPS) {
    await pause((life.timing.installSeconds * 1000) / STEPS.length, signal);
    life.show('installing', step);
  }
  const installed = await reportInstalled(life, work, signal);
  await hooks.finish({
    installId: String(installed.install_id),
    nodeId: installed.node.id,
    diskToken: installed.disk_token,
    agentUrl: installed.agent.url,
    bootenv: work.bootenv,
  });
  life.counters.installs += 1;
  life.show('installed', `install ${installed.install_id}`);
}

/** Calls back. When the fault injector loses the answer, the installer calls again with the same body (netboot-rules 18). */
async function reportInstalled(life: BootLife, work: InstallWork, signal: AbortSignal): Promise<Installed> {
  const disk = diskPath(life);
  const uefi = { loader_path: '/EFI/debian/shimx64.efi', esp_uuid: life.identity.uuid };
  const json = life.identity.firmware === 'uefi' ? { disk, ...uefi } : { disk };
  const question: HttpQuestion = { method: 'POST', url: `${work.nodeUrl}/bootenv-local`, token: work.installToken, json };
  if (life.random() < life.faults.lostCallback) await callHome(life, question, signal);
  return callHomeFor(life, question, installedSchema, signal);
}

function diskPath(life: BootLife): string {
  return `/dev/${life.identity.disks[0]?.name ?? 'sda'}`;
}
