/** PURE: causes between the lease and the loader's first packet. */
import type { NoBootFile } from '../dhcp/bootfile.js';
import { architectures, type Firmware } from '../dhcp/codes.js';
import { certain, likely, possible, type Cause } from './cause.js';
import { after, allOf, lastOf, numberFact, presentBoot, silentSeconds, textFact, type Evidence } from './evidence.js';
import { askerOf, Stage, type BootStep } from './steps.js';

const NO_LOADER: ReadonlySet<string> = new Set<NoBootFile>(['no loader for this architecture', 'unknown architecture']);
const FIRMWARE_ASKERS = new Set(['pxe', 'http']);
/** Files that loaders look for by trial: that one is absent is no news. */
const TRIED = /pxelinux\.cfg\/|grub\.cfg|\/command\.lst|\/fs\.lst|\/crypto\.lst|\/terminal\.lst|\.lst$/;
/** A loader that runs asks for an address within seconds. */
const LOADER_SECONDS = 20;

/** What a loop is looked for in. */
const LOOP_SECONDS = 1_800;

const BIOS_FILE = /\.(?:kpxe|kkpxe|pxe|0)$/i;
const EFI_FILE = /\.efi$|\.efi\.signed$/i;

/** What the firmware said it is, by the number it sent. */
function firmwareOf(steps: readonly BootStep[]): Firmware | undefined {
  const asked = steps.findLast((step) => step.kind === 'dhcp-discover' && FIRMWARE_ASKERS.has(askerOf(step) ?? ''));
  const arch = numberFact(asked, 'arch');
  return arch === undefined ? undefined : architectures[arch]?.firmware;
}

/** The loader that was fetched whole in the present boot, when nothing it does was seen since. */
function silentLoader(evidence: Evidence): BootStep | undefined {
  const boot = presentBoot(evidence);
  if (boot.reached !== Stage.loaderServed) return undefined;
  const done = lastOf(boot.steps, ['tftp-done', 'http-loader']);
  return done !== undefined && silentSeconds(evidence) >= LOADER_SECONDS ? done : undefined;
}

function runsOn(file: string, firmware: Firmware): boolean {
  if (firmware === 'bios') return !EFI_FILE.test(file);
  return !firmware.startsWith('uefi') || !BIOS_FILE.test(file);
}

/** How the present boot's last transfer ended by silence; undefined when it went on. */
function stalledTransfer(evidence: Evidence): BootStep | undefined {
  const { steps } = presentBoot(evidence);
  const failed = steps.findLast((step) => step.kind === 'tftp-failed' && step.facts['silent'] === true);
  return failed === undefined || after(steps, failed).some((step) => step.kind === 'tftp-done' || step.kind === 'http-loader') ? undefined : failed;
}

const fileName = (step: BootStep | undefined) => textFact(step, 'file') ?? 'its loader';

export const LOADER_CAUSES: readonly Cause[] = [
  {
    id: 'no-loader-for-architecture',
    title: 'There is no loader for its architecture',
    means: 'The machine got an address and no boot file, because no loader is set up for the architecture it says it is. It is never given one for another.',
    fix: 'npm run setup fetches what Debian has; prybar doctor says which loaders are missing.',
    proof: 'Option 93 of its request: prybar boot timeline <node> --json, `arch`.',
    source: 'RFC 4578 section 2.1; netboot-rules 14; attack case 14',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const answer = lastOf(steps, ['dhcp-ack', 'dhcp-offer']);
      if (!NO_LOADER.has(textFact(answer, 'reason') ?? '')) return undefined;
      const arch = numberFact(answer, 'arch');
      return certain(`it says architecture ${arch ?? '?'} (${arch === undefined ? 'not said' : (architectures[arch]?.name ?? 'not in the registry')})`);
    },
  },
  {
    id: 'loader-missing',
    title: 'The loader it is sent to does not exist',
    means: 'It asked for the file by TFTP or HTTP and was told that there is none.',
    fix: 'npm run setup fetches the loaders; a name of your own (option 67) has to lie under .prybar/loaders.',
    proof: 'The file is or is not in .prybar/loaders.',
    source: 'RFC 1350, error 1; our own answer',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const missing = steps.findLast(
        (step) => (step.kind === 'tftp-missing' || (step.kind === 'http-missing' && fileName(step).startsWith('loaders/'))) && !TRIED.test(fileName(step)),
      );
      if (missing === undefined || after(steps, missing).some((step) => step.kind === 'tftp-done' || step.kind === 'http-loader')) return undefined;
      return certain(`it asked for ${fileName(missing)}, which is not there`);
    },
  },
  {
    id: 'wrong-loader',
    title: 'The loader is for another kind of firmware',
    means: 'BIOS runs .kpxe, .pxe and .0 files, UEFI runs .efi files. Given the other kind it hangs or starts over without a word.',
    fix: 'Take the boot file out of the options of the node, the network or the vendor class, so that it is chosen by architecture.',
    proof: 'prybar dhcp ask shows where the boot file comes from.',
    source: 'RFC 4578 section 2.1; testbed 3',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const loader = silentLoader(evidence);
      const firmware = firmwareOf(steps);
      if (loader === undefined || firmware === undefined || runsOn(fileName(loader), firmware)) return undefined;
      return certain(`its firmware is ${firmware}, and ${fileName(loader)} is not for that`);
    },
  },
  {
    id: 'second-stage-loop',
    title: 'The loader is taken for firmware and fetches itself again and again',
    means: 'The loader asks for an address and does not say that it is iPXE (user class, option 175), so it is given the loader again.',
    fix: 'Use the loaders of npm run setup; an iPXE of your own needs the user class `iPXE`.',
    proof: 'The requests after the transfer ask for other options (55) than those before it: another program sends them.',
    source: 'https://ipxe.org/howto/chainloading; attack case 14',
    find(evidence) {
      const since = evidence.now.getTime() - LOOP_SECONDS * 1000;
      const recent = evidence.attempts.filter(({ steps }) => (steps[0]?.at.getTime() ?? 0) >= since);
      const turns = recent.filter((attempt) => attempt.reached === Stage.loaderServed).length;
      const wants = recent.map(({ steps }) => textFact(lastOf(steps, 'dhcp-discover', 'pxe'), 'wants')).filter((list) => list !== undefined);
      const programs = new Set(wants).size;
      if (turns < 2 || programs < 2 || presentBoot(evidence).reached > Stage.loaderServed) return undefined;
      return likely(`the loader was fetched ${turns} times, and ${programs} different programs asked for it`);
    },
  },
  {
    id: 'secure-boot',
    title: 'Secure Boot refuses the loader',
    means: 'UEFI fetched the loader, found no signature it trusts, and went on to its next boot entry at once.',
    fix: 'Switch Secure Boot off in the firmware, or boot by shim and GRUB (docs/secure-boot.md).',
    proof: 'The console says "Access Denied" or "Security Violation"; mokutil --sb-state on an installed system.',
    source: 'UEFI 2.10 section 32.5; netboot-rules 15',
    find(evidence) {
      const loader = silentLoader(evidence);
      const firmware = firmwareOf(presentBoot(evidence).steps);
      if (loader === undefined || firmware?.startsWith('uefi') !== true || !runsOn(fileName(loader), firmware)) return undefined;
      if (/shim|\.signed$/.test(fileName(loader)) || evidence.node?.secureBoot === false) return undefined;
      const words = `${fileName(loader)} was fetched whole and never came to ask for an address`;
      return likely(words, ...(evidence.node?.secureBoot === true ? ['Secure Boot was on at its last discovery'] : []));
    },
  },
  {
    id: 'loader-dies',
    title: 'The loader starts and does not come to its network',
    means: 'The loader was fetched whole and never asked for an address: it has no driver for this NIC, or it crashed.',
    fix: 'Try the other build of it: undionly.kpxe or ipxe.pxe for BIOS, snponly.efi or ipxe.efi for UEFI.',
    proof: 'The console shows the loader starting, and what it says.',
    source: 'https://ipxe.org/howto/chainloading (drivers)',
    find(evidence) {
      const loader = silentLoader(evidence);
      if (loader === undefined) return undefined;
      const firmware = firmwareOf(presentBoot(evidence).steps);
      const words = `${fileName(loader)} was fetched whole, and nothing was heard since`;
      if (firmware !== undefined && !runsOn(fileName(loader), firmware)) return undefined;
      return firmware?.startsWith('uefi') === true && evidence.node?.secureBoot !== false ? possible(words) : likely(words);
    },
  },
  {
    id: 'tftp-unanswered',
    title: 'Our TFTP answers do not reach it',
    means: 'Its request for the loader arrives, our answer comes from another port (as TFTP does), and something on the way drops that.',
    fix: 'Let UDP from the boot server to any port of that network pass; a firewall needs its TFTP helper, NAT does not work.',
    proof: 'tcpdump on the server shows the request and our answers, the machine repeats its request.',
    source: 'RFC 1350 section 4 (transfer identifiers)',
    find(evidence) {
      const failed = stalledTransfer(evidence);
      if (failed === undefined || failed.facts['answered'] !== false) return undefined;
      return likely(`${fileName(failed)} was asked for, and not one packet of ours was acknowledged`);
    },
  },
  {
    id: 'tftp-fragmented',
    title: 'Large TFTP blocks do not get through',
    means: 'Small packets pass both ways, the first full block never arrives: something on the path has a smaller MTU, or drops fragments.',
    fix: 'Put the MTU of the path right, or lower the largest TFTP block (netboot-rules 3: path MTU less 32).',
    proof: 'ping -M do -s 1472 to the machine (or another in that network) fails, -s 512 passes.',
    source: 'RFC 2348; netboot-rules 3',
    find(evidence) {
      const failed = stalledTransfer(evidence);
      if (failed === undefined || failed.facts['answered'] !== true || (numberFact(failed, 'bytes') ?? 0) > 0) return undefined;
      const block = numberFact(failed, 'block_bytes') ?? 512;
      return block > 512 ? likely(`it acknowledged the options of ${fileName(failed)} and never the first block of ${block} bytes`) : undefined;
    },
  },
  {
    id: 'tftp-loss',
    title: 'The loader stops half way: packets are lost',
    means: 'Blocks came through, then nothing more: a bad cable or port, a duplex mismatch, or the machine was switched off.',
    fix: 'Look at the error counters of the switch port; change cable or port.',
    proof: 'Retransmits in the transfer, and errors on the port.',
    source: 'RFC 1350 section 2',
    find(evidence) {
      const failed = stalledTransfer(evidence);
      const bytes = numberFact(failed, 'bytes') ?? 0;
      if (failed === undefined || bytes === 0) return undefined;
      const size = numberFact(failed, 'size') ?? 0;
      const share = size === 0 ? '' : `, ${Math.round((100 * bytes) / size)} %`;
      return likely(`${fileName(failed)} stopped after ${bytes} bytes${share}, with ${numberFact(failed, 'retransmits') ?? 0} blocks sent again`);
    },
  },
  {
    id: 'loader-not-fetched',
    title: 'It has an address and a boot file, and does not fetch the file',
    means:
      'The request for the file does not arrive (UDP 69 or the HTTP port is filtered, or the boot server address is wrong for that network), or the firmware wants something else in its offer.',
    fix: 'Let UDP 69 and the boot HTTP port pass to the boot server; give the network a boot host that machines there reach.',
    proof: 'tcpdump -ni <interface> port 69 while it boots; the console says PXE-E32 (TFTP open timeout) or PXE-E53 (no file name).',
    source: 'PXE 2.1 section 2.2.3',
    find(evidence) {
      const { steps, reached } = presentBoot(evidence);
      const acknowledged = steps.findLast((step) => step.kind === 'dhcp-ack' && FIRMWARE_ASKERS.has(askerOf(step) ?? ''));
      const file = textFact(acknowledged, 'boot_file');
      if (acknowledged === undefined || file === undefined || reached !== Stage.firmwareLeased || silentSeconds(evidence) < 15) return undefined;
      if (allOf(steps, 'dhcp-decline').length > 0) return undefined;
      return likely(`it was told ${file}, and no request for it came`);
    },
  },
];
