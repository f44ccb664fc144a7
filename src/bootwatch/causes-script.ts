/** PURE: causes between the loader's lease and a kernel that runs. */
import { certain, likely, possible, spanText, type Cause } from './cause.js';
import { after, allOf, lastOf, presentBoot, secondsBetween, silentSeconds, textFact, type Evidence } from './evidence.js';
import { Stage, type BootStep } from './steps.js';

/** Between two trips of a loader: a script is fetched a second after the lease. */
const FETCH_SECONDS = 20;
/** iPXE gives up waiting for a router advertisement after some 13 s (testbed 3); DHCP alone takes less than 2. */
const RA_SECONDS = { least: 9, most: 25 };
/** Codes of the boot decision that mean: it cannot be served. */
const UNAVAILABLE: ReadonlySet<string> = new Set(['bootenv-unavailable', 'unknown-bootenv']);
const LOADERS_PART = 'loaders/';

const file = (step: BootStep | undefined) => textFact(step, 'file') ?? 'a file';

/** The last script, when nothing was fetched after it. */
function openScript(evidence: Evidence): BootStep | undefined {
  const { steps, reached } = presentBoot(evidence);
  return reached === Stage.script ? lastOf(steps, 'http-script') : undefined;
}

export const SCRIPT_CAUSES: readonly Cause[] = [
  {
    id: 'tls-failed',
    title: 'The loader does not trust our HTTPS',
    means: 'The TLS handshake failed: the loader was built without our certificate authority, its clock is wrong, or it knows no cipher of ours.',
    fix: 'Boot over plain HTTP, or build iPXE with TRUST= our certificate; set the clock of the machine.',
    proof: 'The alert in the timeline; openssl s_client against the boot server shows the chain.',
    source: 'https://ipxe.org/crypto; netboot-rules 14',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const failed = lastOf(steps, 'tls-failed');
      if (failed === undefined || after(steps, failed).some((step) => step.kind.startsWith('http-'))) return undefined;
      return certain(`a TLS handshake failed: ${failed.text}`);
    },
  },
  {
    id: 'boot-http-unavailable',
    title: 'Boot HTTP could not answer',
    means: 'The script or a file was asked for and could not be read: the database or the disk is away. The loader was told to ask again.',
    fix: 'Bring PostgreSQL or the disk back; the machine asks again by itself.',
    proof: 'The log of the boot process: `boot request failed`.',
    source: 'engine-rules 6: 503, never an installer',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const failed = lastOf(steps, 'http-failed');
      if (failed === undefined || after(steps, failed).some((step) => ['http-script', 'http-kernel', 'http-initrd', 'http-answers'].includes(step.kind)))
        return undefined;
      return certain(`a request was answered with 503: ${failed.text}`);
    },
  },
  {
    id: 'script-not-fetched',
    title: 'The loader has an address and does not fetch its script',
    means: 'The boot HTTP port is filtered between that network and the boot server, or the loader cannot reach the address it was given.',
    fix: 'Let the boot HTTP port (PRYBAR_BOOT_HTTP_PORT) pass; give the network a router, or a boot host that machines there reach.',
    proof: 'The console says "Connection timed out" with the URL; curl of that URL from another machine of the network.',
    source: 'https://ipxe.org/err/4c0a6092 (connection timed out)',
    find(evidence) {
      const { steps, reached } = presentBoot(evidence);
      const acknowledged = lastOf(steps, 'dhcp-ack', 'ipxe');
      const url = textFact(acknowledged, 'boot_file');
      if (reached !== Stage.loaderLeased || url === undefined || silentSeconds(evidence) < FETCH_SECONDS) return undefined;
      return lastOf(steps, 'tls-failed') === undefined ? likely(`iPXE was told ${url}, and no request for it came`) : undefined;
    },
  },
  {
    id: 'bootenv-unavailable',
    title: 'What it shall boot cannot be served',
    means: 'Files of the boot environment are missing or do not render, so it got a script that waits, or the parking place (maintenance) instead.',
    fix: 'prybar bootenvs list says what is missing and where it comes from.',
    proof: 'The reason is in the script itself and in the timeline.',
    source: 'our own answer',
    find(evidence) {
      const script = lastOf(presentBoot(evidence).steps, 'http-script');
      const isParked = UNAVAILABLE.has(textFact(script, 'parked') ?? '');
      const isWaiting = textFact(script, 'waits') === 'bootenv' && openScript(evidence) !== undefined;
      return isParked || isWaiting ? certain(script?.text ?? '') : undefined;
    },
  },
  {
    id: 'parked',
    title: 'It was parked instead of installed',
    means:
      'It asked for its installer when that was no longer, or not yet, to be handed out: the disk may be half written, the tries are used up, or no installation is armed.',
    fix: 'prybar nodes redeploy <node> arms a new installation; look at why the last one failed first.',
    proof: 'The reason is in the timeline; prybar events has the alarm.',
    source: 'netboot-rules 22; src/bootenvs/decide.ts',
    find(evidence) {
      const script = lastOf(presentBoot(evidence).steps, 'http-script');
      const parked = textFact(script, 'parked');
      return parked === undefined || UNAVAILABLE.has(parked) ? undefined : certain(script?.text ?? '');
    },
  },
  {
    id: 'address-not-leased',
    title: 'It asks for its script from an address that is not leased to it',
    means:
      'A script with a token is given only to the address leased to that MAC. Here the address came from elsewhere: another DHCP server, NAT, or a static address.',
    fix: 'Let Prybar give the address, or reserve the one it has; no NAT between machines and the boot server.',
    proof: 'The source address in the timeline against the leases of the MAC.',
    source: 'netboot-rules 19',
    find(evidence) {
      const script = lastOf(presentBoot(evidence).steps, 'http-script');
      return textFact(script, 'waits') === 'lease' && openScript(evidence) !== undefined ? certain(script?.text ?? '') : undefined;
    },
  },
  {
    id: 'kernel-missing',
    title: 'The kernel, initrd or image it is sent to does not exist',
    means: 'The script was served, and a file that it names is not there.',
    fix: 'Put the file into .prybar/images/<bootenv>/: prybar bootenvs list says which and from where.',
    proof: 'The file is or is not in .prybar/images.',
    source: 'our own answer (404)',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const missing = steps.findLast((step) => step.kind === 'http-missing' && !file(step).startsWith(LOADERS_PART));
      if (missing === undefined || after(steps, missing).some((step) => ['http-kernel', 'http-answers', 'facts', 'installing'].includes(step.kind)))
        return undefined;
      return certain(`it asked for ${file(missing)}, which is not there`);
    },
  },
  {
    id: 'kernel-broken-off',
    title: 'The kernel or initrd breaks off on its way',
    means: 'The transfer began and the machine went away half way: packets are lost, memory is too small for the initrd, or it was switched off.',
    fix: 'Look at the error counters of the switch port and at the memory of the machine; then power cycle it.',
    proof: 'The console shows how far the download came and why it ended.',
    source: 'seen with 512 MB machines and large initrds; RFC 9112 section 8',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const broken = lastOf(steps, 'http-broken');
      if (broken === undefined || after(steps, broken).some((step) => step.kind === 'http-kernel' || step.kind === 'http-initrd')) return undefined;
      return silentSeconds(evidence) >= 5 ? likely(broken.text) : undefined;
    },
  },
  {
    id: 'disk-does-not-boot',
    title: 'It is told to boot its disk, and comes back to the network',
    means: 'The script sends it to its disk and the disk does not start: no boot loader there, the wrong disk, or a firmware entry that points nowhere.',
    fix: 'Look at the console; install anew (prybar nodes redeploy <node>), or put the firmware entry of the disk right.',
    proof: 'Firmware asks again within minutes of a script that leaves for the disk.',
    source: 'netboot-rules 15',
    find(evidence) {
      const returns = evidence.attempts
        .slice(-4)
        .filter(({ steps, reached }) => reached === Stage.script && textFact(lastOf(steps, 'http-script'), 'answer') === 'local');
      return returns.length < 2 ? undefined : likely(`it left for its disk ${returns.length} times and asked the network again each time`);
    },
  },
  {
    id: 'kernel-not-fetched',
    title: 'It has its script and fetches no kernel',
    means: 'The script names a kernel that the loader cannot fetch or does not accept: no memory, no route to that URL, an image for another architecture.',
    fix: 'Read the console: iPXE names the error and a link that explains it.',
    proof: 'The console; prybar bootenvs check renders the script.',
    source: 'https://ipxe.org/err',
    find(evidence) {
      const script = openScript(evidence);
      if (textFact(script, 'answer') !== 'boot' || silentSeconds(evidence) < FETCH_SECONDS) return undefined;
      return lastOf(presentBoot(evidence).steps, ['http-missing', 'http-broken', 'http-failed']) === undefined
        ? likely(`the script for ${textFact(script, 'bootenv') ?? 'its bootenv'} was served, and no file that it names was asked for`)
        : possible('the script was served, and its files were not');
    },
  },
  {
    id: 'waits-for-router',
    title: 'iPXE waits 13 s for an IPv6 router that does not answer',
    means: 'iPXE asks for a router advertisement beside DHCP and waits for it before it goes on. Every boot takes 13 s longer.',
    fix: 'Set quietRa on the network: Prybar then answers with an advertisement that offers nothing. Or let the router answer.',
    proof: 'Some 13 s between the ACK to iPXE and its script, boot after boot.',
    source: 'testbed 3; netboot-rules 9',
    isSlowness: true,
    find(evidence) {
      if (evidence.network?.quietRa === true) return undefined;
      const gaps = evidence.attempts.flatMap(({ steps }) => {
        const script = lastOf(steps, 'http-script');
        const acknowledged = script === undefined ? undefined : allOf(steps, 'dhcp-ack', 'ipxe').find((step) => step.at <= script.at);
        return script === undefined || acknowledged === undefined ? [] : [secondsBetween(acknowledged, script)];
      });
      const last = gaps.at(-1);
      if (last === undefined || last < RA_SECONDS.least || last > RA_SECONDS.most) return undefined;
      return likely(`${spanText(last)} passed between the ACK to iPXE and its script`);
    },
  },
];
