/** PURE: causes after the kernel was served. */
import { certain, likely, possible, spanText, type Cause } from './cause.js';
import { after, lastOf, numberFact, presentBoot, secondsBetween, silentSeconds, textFact, type Evidence } from './evidence.js';
import { Stage } from './steps.js';

/** A kernel with a large initrd on slow firmware, until its first DHCP. */
const KERNEL_SECONDS = 120;
/** A system with an address, until it calls. */
const CALL_SECONDS = 60;
/** An installer between its answers and the disk: partitioning questions, mirrors. */
const INSTALLER_SECONDS = 900;
const INSTALL_SECONDS = 3600;
/** A loader of a megabyte comes in a second; this long says loss or a tiny block size. */
const SLOW_LOADER_SECONDS = 20;

/** The bootenv whose kernel was served in the present boot. */
function servedBootenv(evidence: Evidence): string | undefined {
  return textFact(lastOf(presentBoot(evidence).steps, 'http-kernel'), 'bootenv');
}

function isInstaller(evidence: Evidence): boolean {
  return evidence.installers.has(servedBootenv(evidence) ?? '');
}

/** A later boot attempt reports nothing new when firmware asks again: what follows is of the boot that had a kernel. */
function isAt(evidence: Evidence, stage: Stage): boolean {
  return presentBoot(evidence).reached === stage;
}

export const SYSTEM_CAUSES: readonly Cause[] = [
  {
    id: 'token-refused',
    title: 'Its token was refused',
    means: 'It called back, or asked for its answers, with a token that is used up, expired, of an earlier boot or of another address.',
    fix: 'Power cycle it: each boot gets a fresh token. If the source is not the machine, somebody else tried.',
    proof: 'The reason is in the timeline and in prybar events.',
    source: 'netboot-rules 18 and 19; attack cases 15 to 17',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const refused = lastOf(steps, 'token-refused');
      if (refused === undefined || after(steps, refused).some((step) => ['facts', 'installing', 'installed', 'disk-boot', 'http-answers'].includes(step.kind)))
        return undefined;
      return certain(`${textFact(refused, 'call') ?? 'a call'} from ${textFact(refused, 'address') ?? 'somewhere'}: ${textFact(refused, 'reason') ?? ''}`);
    },
  },
  {
    id: 'installer-without-dns',
    title: 'The installer stops: its network has no DNS server',
    means:
      'Debian and Ubuntu stop without a DNS server that answers, and wait for a key on the console. A network without one is told its router, or this server, which may not answer DNS.',
    fix: 'Give the network a DNS server that answers.',
    proof: 'The console shows "Configure the network" with the question for name servers.',
    source: 'netcfg of debian-installer; seen in testbed 5',
    find(evidence) {
      if (!isAt(evidence, Stage.systemLeased) || !isInstaller(evidence) || evidence.network?.hasDns !== false || silentSeconds(evidence) < CALL_SECONDS)
        return undefined;
      const words = `${servedBootenv(evidence) ?? 'the installer'} has its address, ${evidence.network.name} has no DNS server, and the answers were not fetched`;
      return /^debian|^ubuntu/.test(servedBootenv(evidence) ?? '') ? likely(words) : possible(words);
    },
  },
  {
    id: 'answers-not-fetched',
    title: 'The installer has an address and does not fetch its answers',
    means: 'The installer runs and cannot reach boot HTTP, or does not understand where its answers are.',
    fix: 'Let the boot HTTP port pass, give the network a router; look at the kernel line: prybar bootenvs check.',
    proof: 'The console of the installer says which URL it tries.',
    source: 'netboot-rules 13 and 18',
    find(evidence) {
      if (!isAt(evidence, Stage.systemLeased) || !isInstaller(evidence) || silentSeconds(evidence) < CALL_SECONDS) return undefined;
      const words = `${servedBootenv(evidence) ?? 'the installer'} has its address since ${spanText(silentSeconds(evidence))}, and asked for no answers`;
      return evidence.network?.hasDns === false ? possible(words) : likely(words);
    },
  },
  {
    id: 'callback-blocked',
    title: 'The system has an address and does not call back',
    means:
      'The ramdisk runs and has its address; its report does not arrive. The port for callbacks (the boot HTTP port) is filtered, or the agent has failed.',
    fix: 'Let POST to the boot HTTP port pass (a proxy or filter may allow GET alone); look at the console.',
    proof: 'curl -X POST http://<boot host>:<port>/node/facts from that network answers 401.',
    source: 'netboot-rules 20',
    find(evidence) {
      const boot = presentBoot(evidence);
      if (isAt(evidence, Stage.systemLeased) && !isInstaller(evidence) && servedBootenv(evidence) !== undefined && silentSeconds(evidence) >= CALL_SECONDS) {
        return likely(`${servedBootenv(evidence) ?? 'the system'} got its address, and no report came`);
      }
      const answers = lastOf(boot.steps, 'http-answers');
      if (answers === undefined || boot.reached !== Stage.answers || silentSeconds(evidence) < INSTALLER_SECONDS) return undefined;
      return likely(`the installer fetched its answers ${spanText(silentSeconds(evidence))} ago and has not claimed a disk`);
    },
  },
  {
    id: 'kernel-silent',
    title: 'The kernel was served, and then nothing: most likely it has no driver for this NIC',
    means: 'Kernel and initrd were fetched whole. Had the system found its NIC it would have asked for an address.',
    fix: 'Use an initrd with the driver (netboot initrd of a newer point release, or with firmware), or pin another NIC.',
    proof: 'The console: no carrier, a kernel panic, or a shell that says "no network interfaces".',
    source: 'netboot-rules 13; seen with Debian 12 and NICs newer than its kernel',
    find(evidence) {
      if (!isAt(evidence, Stage.kernel) || silentSeconds(evidence) < KERNEL_SECONDS) return undefined;
      const broken = lastOf(presentBoot(evidence).steps, ['http-broken', 'http-missing']) !== undefined;
      const words = `${servedBootenv(evidence) ?? 'the kernel'} was served whole, and in ${spanText(silentSeconds(evidence))} no request for an address came`;
      return broken ? possible(words) : likely(words);
    },
  },
  {
    id: 'system-without-lease',
    title: 'The system asks for an address and does not take it',
    means: 'Firmware and loader got an address on this NIC; the system that was booted asks and does not go on. It asks on another NIC, or drops the answer.',
    fix: 'Look at the console of the system; pin the NIC on the kernel line.',
    proof: 'ip addr on the console of the system.',
    source: 'netboot-rules 13',
    find: (evidence) =>
      isAt(evidence, Stage.systemAsks) && servedBootenv(evidence) !== undefined && silentSeconds(evidence) >= 15
        ? likely('after its kernel was served it asked for an address and took none')
        : undefined,
  },
  {
    id: 'installation-stalls',
    title: 'The installation takes far too long',
    means: 'The disk was claimed, and the installer has neither finished nor failed: a mirror that does not answer, or a question on the console.',
    fix: 'Look at the console; prybar runs logs has what the installer has told.',
    proof: 'The console of the installer.',
    source: 'PRYBAR_INSTALL_DEADLINE_SECONDS',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const claimed = lastOf(steps, 'installing');
      if (claimed === undefined || lastOf(steps, ['installed', 'disk-boot']) !== undefined) return undefined;
      const seconds = (evidence.now.getTime() - claimed.at.getTime()) / 1000;
      return seconds > INSTALL_SECONDS ? likely(`the disk was claimed ${spanText(seconds)} ago`) : undefined;
    },
  },
  {
    id: 'slow-transfer',
    title: 'The loader comes very slowly',
    means: 'The transfer goes on, with losses or tiny blocks. The boot works and takes long.',
    fix: 'Look at the error counters of the port; fetch large files by HTTP.',
    proof: 'Retransmits and duration in the timeline.',
    source: 'RFC 2348, RFC 7440',
    isSlowness: true,
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const done = lastOf(steps, 'tftp-done');
      const begun = done === undefined ? undefined : steps.findLast((step) => step.kind === 'tftp-start' && step.at <= done.at);
      if (done === undefined || begun === undefined) return undefined;
      const seconds = secondsBetween(begun, done);
      return seconds < SLOW_LOADER_SECONDS
        ? undefined
        : likely(`the loader took ${spanText(seconds)}, ${numberFact(done, 'retransmits') ?? 0} blocks were sent again`);
    },
  },
];
