import { BootFailure } from '../boot-failure.js';
import type { FirmwareKind } from '../identity.js';
import type { BootLife } from '../life.js';
import { pause } from '../pause.js';
import { HttpSilence } from '../wire/http-client.js';
import type { Lease } from '../wire/dhcp-reply.js';
import { interpret, type IpxeEffect, type IpxeEnd, type IpxeMachine } from './ipxe-script.js';
import { isBootNic, parseKernelLine, type KernelLine } from './kernel-line.js';

/** What the network told the machine to run. */
export type BootTarget = { kind: 'disk' } | { kind: 'ramdisk'; line: KernelLine };

/** Scripts that chain scripts: a machine that is told to wait asks for its script every 10 s, and reboots after ten minutes of it. */
const MAX_CHAIN = 60;
/** A script that sleeps longer than this gives its place at the boot gate to another machine. */
const SHORT_SLEEP_SECONDS = 1;

/** Extensions a firmware can start; a BIOS that is given an .efi file hangs, and so does the reverse. */
const LOADERS = { bios: /\.(?:kpxe|kkpxe|pxe|0)$/i, uefi: /\.efi$/i } as const;

/** Whether the firmware could run the loader it was offered. Throws BootFailure `wrong-loader`. */
export function checkLoader(firmware: FirmwareKind, file: string): void {
  if (!LOADERS[firmware].test(file)) throw new BootFailure('wrong-loader', `${firmware} firmware cannot run ${file}`);
}

/**
 * iPXE's part: fetches the script the lease names, runs it, fetches what it loads. Rejects with BootFailure when the boot
 * cannot go on, and with the signal's reason when the power goes.
 */
export async function bootScript(life: BootLife, lease: Lease, complain: (what: string) => void, signal: AbortSignal): Promise<BootTarget> {
  const url = lease.bootFile;
  if (url === undefined) throw new BootFailure('no-boot-file', 'Nothing to boot: the ACK to iPXE names no file');
  if (!/^https?:/.test(url)) throw new BootFailure('script-failed', `iPXE was offered ${url} again: the chain would never end`);
  life.show('script', new URL(url).pathname);
  const end = await chain(life, url, ipxeMachine(life, lease), signal, 0);
  switch (end.kind) {
    case 'failed':
      throw new BootFailure('script-failed', end.reason);
    case 'sanboot':
      return { kind: 'disk' };
    case 'exit':
      if (end.success && life.identity.firmware === 'uefi')
        throw new BootFailure('script-failed', 'exit with status 0: OVMF opens its setup and stays there (testbed 5d)');
      // The firmware goes on with the next entry of its boot order, which is the disk.
      return { kind: 'disk' };
    case 'boot':
      return { kind: 'ramdisk', line: checkedLine(life, end, complain) };
  }
}

/** Fetches one script and runs it to its end. An EFI program instead of a script is a boot manager for the disk. */
async function chain(life: BootLife, url: string, machine: IpxeMachine, signal: AbortSignal, depth: number): Promise<IpxeEnd> {
  if (depth >= MAX_CHAIN) return { kind: 'failed', reason: `${MAX_CHAIN} scripts chained` };
  if (/\.efi$/i.test(new URL(url).pathname)) return chainProgram(life, url, signal);
  const fetched = await fetchText(life, url, signal);
  if (fetched === undefined) return { kind: 'failed', reason: `${url}: not fetched` };

  const steps = interpret(fetched, machine);
  let step = steps.next();
  while (step.done !== true) {
    const effect = step.value;
    if (effect.kind === 'chain') {
      const end = await chain(life, new URL(effect.url, url).href, machine, signal, depth + 1);
      // A chained script that ends with `exit` gives its status back to the one that chained it, unless that was replaced.
      if (effect.replace || end.kind === 'boot' || end.kind === 'sanboot') return end;
      step = steps.next(end.kind === 'exit' && end.success);
    } else {
      step = steps.next(await perform(life, effect, url, signal));
    }
  }
  return step.value;
}

async function chainProgram(life: BootLife, url: string, signal: AbortSignal): Promise<IpxeEnd> {
  if (life.identity.firmware === 'bios') return { kind: 'failed', reason: `${url}: Exec format error` };
  return (await fetchFile(life, url, signal)) ? { kind: 'sanboot', drive: 'by its boot manager' } : { kind: 'failed', reason: `${url}: not fetched` };
}

async function perform(life: BootLife, effect: Exclude<IpxeEffect, { kind: 'chain' }>, base: string, signal: AbortSignal): Promise<boolean> {
  switch (effect.kind) {
    case 'fetch':
      if (effect.role === 'kernel') life.show('kernel');
      return fetchFile(life, new URL(effect.url, base).href, signal);
    case 'sleep':
      if (effect.seconds > SHORT_SLEEP_SECONDS) life.leaveGate();
      await pause(effect.seconds * 1000, signal);
      return true;
    case 'print':
      life.show('script', effect.text);
      return true;
  }
}

async function fetchFile(life: BootLife, url: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await life.http.download(url, signal)).status === 200;
  } catch (error) {
    if (error instanceof HttpSilence) return false;
    throw error;
  }
}

async function fetchText(life: BootLife, url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const answer = await life.http.ask({ url }, signal);
    return answer.status === 200 ? answer.body : undefined;
  } catch (error) {
    if (error instanceof HttpSilence) return undefined;
    throw error;
  }
}

function checkedLine(life: BootLife, end: Extract<IpxeEnd, { kind: 'boot' }>, complain: (what: string) => void): KernelLine {
  const line = parseKernelLine(end.kernelLine);
  if (!isBootNic(line, life.identity.mac)) {
    throw new BootFailure('wrong-boot-nic', `BOOTIF=${line.words.get('BOOTIF') ?? ''} is not ${life.identity.mac} (netboot-rules 13)`);
  }
  // The EFI stub of a kernel started by iPXE of 2019 finds its initrd by this word only (testbed 3).
  if (life.identity.firmware === 'uefi' && end.initrdUrls.length > 0 && !line.words.has('initrd')) {
    complain('kernel line without initrd=: an EFI kernel started by iPXE 2019 finds no initrd');
  }
  return line;
}

function ipxeMachine(life: BootLife, lease: Lease): IpxeMachine {
  const { identity } = life;
  return {
    firmware: identity.firmware,
    settings: new Map([
      ['mac', identity.mac],
      ['ip', lease.address],
      ['uuid', identity.uuid],
      ['serial', identity.serial],
      ['manufacturer', identity.vendor],
      ['product', identity.product],
      ['platform', identity.firmware === 'uefi' ? 'efi' : 'pcbios'],
      ['buildarch', identity.firmware === 'uefi' ? 'x86_64' : 'i386'],
      ['cpuid', ''],
      ['next-server', lease.nextServer ?? ''],
      ['dhcp-server', lease.serverId],
      ['filename', lease.bootFile ?? ''],
    ]),
  };
}
