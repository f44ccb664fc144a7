/** PURE: causes between the DISCOVER and a lease. */
import type { NoBootFile } from '../dhcp/bootfile.js';
import { certain, likely, possible, type Cause, type Finding } from './cause.js';
import { after, allOf, isIgnoringOffers, lastOf, numbersFact, openOffers, presentBoot, silentSeconds, textFact, type Evidence } from './evidence.js';
import { askerOf, Stage, type BootStep } from './steps.js';

/** The boot options without which firmware drops an offer. PXE 2.1 section 2.2.3. */
const BOOT_OPTIONS = [43, 60, 66, 67];

const WITHHELD: NoBootFile = 'boot files withheld: no contact to the database';

/** The last refusal to answer for one of these reasons, when no answer came after it. */
function unanswered(evidence: Evidence, reasons: readonly string[]): BootStep | undefined {
  const { steps } = presentBoot(evidence);
  const ignored = steps.findLast((step) => step.kind === 'dhcp-ignored' && reasons.includes(textFact(step, 'reason') ?? ''));
  if (ignored === undefined) return undefined;
  return after(steps, ignored).some((step) => ['dhcp-offer', 'dhcp-ack', 'dhcp-proxy-offer'].includes(step.kind)) ? undefined : ignored;
}

const because =
  (reasons: readonly string[], words: (step: BootStep) => string) =>
  (evidence: Evidence): Finding | undefined => {
    const step = unanswered(evidence, reasons);
    return step === undefined ? undefined : certain(words(step));
  };

const networkOf = (step: BootStep) => textFact(step, 'network') ?? 'its network';

export const ADDRESS_CAUSES: readonly Cause[] = [
  {
    id: 'wrong-network',
    title: 'It asks on another network than the one it is expected on',
    means: 'The cable, the switch port or its VLAN belongs to another network than the reservation.',
    fix: 'Move the cable or the VLAN of the switch port, or reserve an address on the network it is on.',
    proof: 'The DISCOVER came by another relay or interface: prybar boot timeline <node> --json shows `network` and `relay`.',
    source: 'RFC 2131 section 4.3.1: the network is that of giaddr or of the interface',
    find(evidence) {
      const { network } = evidence;
      const boot = presentBoot(evidence);
      const asked = lastOf(boot.steps, 'dhcp-discover');
      const seenOn = textFact(asked, 'network') ?? textFact(lastOf(boot.steps, 'dhcp-ignored'), 'network');
      if (network === null || !network.isReserved || seenOn === undefined || seenOn === network.name || boot.reached >= Stage.reported) return undefined;
      const words = `its reservation is on ${network.name}, it asks on ${seenOn}`;
      return lastOf(boot.steps, 'dhcp-ignored') === undefined ? likely(words) : certain(words);
    },
  },
  {
    id: 'network-off',
    title: 'DHCP is switched off on its network',
    means: 'The request was heard; the mode of the network, or of the relay it came by, is `off`.',
    fix: 'Set the mode of the network to authoritative, reservations or proxy.',
    proof: 'The timeline says `not answered: network-off`.',
    source: 'docs/dhcp.md, modes',
    find: because(['network-off'], (step) => `a request on ${networkOf(step)} was not answered: its mode is off`),
  },
  {
    id: 'unknown-network',
    title: 'It asks through a relay or an interface of no network of ours',
    means: 'The relay is not allowed, or its address (giaddr) or the interface lies in no network that Prybar has.',
    fix: 'Add the network, or the relay to the relays of the network.',
    proof: 'The timeline shows the relay and `not answered: unknown-network`.',
    source: 'RFC 2131 section 4.3.1; attack case 12',
    find: because(['unknown-network'], (step) => {
      const relay = textFact(step, 'relay');
      return relay === undefined ? 'a request came in on an interface that lies in no network' : `a request came by the relay ${relay}, which no network has`;
    }),
  },
  {
    id: 'no-reservation',
    title: 'It has no reservation, and its network gives addresses to reservations only',
    means: 'The request was heard and left without an answer, as the mode of the network says.',
    fix: 'Reserve an address for its MAC, or set the mode of the network to authoritative.',
    proof: 'The timeline says `not answered: no-reservation`.',
    source: 'docs/dhcp.md, modes',
    find: because(['no-reservation'], (step) => `${networkOf(step)} has no reservation for this MAC`),
  },
  {
    id: 'pool-exhausted',
    title: 'The pool has no free address',
    means: 'Every address of the ranges is leased, offered, declined or reserved.',
    fix: 'Make the range larger, shorten the lease time, or reserve an address for the machine.',
    proof: 'The timeline says `not answered: pool-exhausted`.',
    source: 'RFC 2131 section 4.3.1; attack case 9',
    find: because(['pool-exhausted'], (step) => `no address was free on ${networkOf(step)}`),
  },
  {
    id: 'quota-reached',
    title: 'Unknown machines have used up their share of the pool',
    means: 'The network bounds how many addresses machines may hold that Prybar does not know. Known nodes and reservations go on.',
    fix: 'Register the machine (prybar nodes create <name> --mac <mac>), or raise the quota of the network.',
    proof: 'The timeline says `not answered: unknown-quota`.',
    source: 'attack case 9',
    find: because(['unknown-quota'], (step) => `the quota of ${networkOf(step)} for unknown machines is reached`),
  },
  {
    id: 'left-to-others',
    title: 'It has not waited long enough for this server to answer',
    means: 'The network (or this server) answers only clients that have waited some seconds, so that another server goes first; the firmware gave up before.',
    fix: 'Lower the threshold of the network (min_secs), or start the other server.',
    proof: 'The timeline says `not answered: too-early`; `secs` in the request stays below the threshold.',
    source: 'netboot-rules 7; RFC 2131 section 2, field secs',
    find: because(['too-early'], () => 'its requests were left to another server, and none answered'),
  },
  {
    id: 'database-away',
    title: 'The database is away, and the machine needs a new lease or a boot file',
    means: 'Known machines get their reserved address from memory; new leases and boot files wait until the database is back.',
    fix: 'Bring PostgreSQL back; machines go on by themselves.',
    proof: 'prybar status; the log of the boot process says `database is away`.',
    source: 'engine-rules 6',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const withheld = steps.findLast((step) => textFact(step, 'reason') === WITHHELD);
      if (withheld !== undefined && !after(steps, withheld).some((step) => textFact(step, 'boot_file') !== undefined)) {
        return certain('its last answer held the boot file back: no contact to the database');
      }
      return unanswered(evidence, ['database-away']) === undefined ? undefined : certain('a lease could not be written, so it was not promised');
    },
  },
  {
    id: 'rival-server',
    title: 'Another DHCP server answers, and the machine takes its offer',
    means: 'It sent its REQUEST to another server than us. That server gives it an address and most likely no boot file.',
    fix: 'Switch the other server off on this network, or set the network to proxy mode, which adds the boot file beside it.',
    proof: 'prybar dhcp check names the other servers; option 54 of the REQUEST is its address.',
    source: 'RFC 2131 section 3.1.3; attack case 11',
    find(evidence) {
      const boot = presentBoot(evidence);
      const chosen = unanswered(evidence, ['other-server']);
      if (chosen === undefined || evidence.network?.mode === 'proxy') return undefined;
      const goesOn = after(boot.steps, chosen).some((step) => step.kind.startsWith('tftp-') || step.kind.startsWith('http-'));
      return goesOn ? undefined : certain(`it sent a REQUEST to ${textFact(chosen, 'server_id') ?? 'another server'}, not to us`);
    },
  },
  {
    id: 'address-conflict',
    title: 'Something else uses the address it was given',
    means: 'The machine tried the address, found that another machine answers for it, and declined it.',
    fix: 'Find what holds the address (its MAC: ip neigh, the switch), or take the address out of the range.',
    proof: 'arping -D the address on that network; the quarantined leases.',
    source: 'RFC 2131 section 3.1.5 (DHCPDECLINE)',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const declined = lastOf(steps, 'dhcp-decline');
      if (declined === undefined) return undefined;
      const goesOn = after(steps, declined).some((step) => step.kind === 'dhcp-ack' || step.kind.startsWith('tftp-') || step.kind.startsWith('http-'));
      const said = textFact(declined, 'said');
      return goesOn ? undefined : certain(`it declined ${textFact(declined, 'address') ?? 'its address'}${said === undefined ? '' : `: ${said}`}`);
    },
  },
  {
    id: 'address-refused',
    title: 'It insists on an address that we refuse',
    means: 'It asks for an address from earlier, gets a NAK, and asks for the same one again instead of starting anew.',
    fix: 'Let it forget: clear the lease in the machine (firmware reset, dhclient -r), or reserve the address for it.',
    proof: 'NAK after NAK in the timeline, each with its reason.',
    source: 'RFC 2131 sections 4.3.2 and 4.4.1',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const naks = allOf(steps, 'dhcp-nak');
      const last = naks.at(-1);
      if (last === undefined || naks.length < 2 || after(steps, last).some((step) => step.kind === 'dhcp-offer' || step.kind === 'dhcp-ack')) return undefined;
      return certain(`${naks.length} requests were refused, the last one because: ${textFact(last, 'reason') ?? 'not said'}`);
    },
  },
  {
    id: 'option-too-long',
    title: 'Options did not fit into the packet it takes',
    means:
      'The machine takes small packets (option 57, or 576 bytes when it does not say), and options of the node or the network had no room. It does not go on without them.',
    fix: 'Take options away from the node or the network, or shorten them.',
    proof: 'prybar dhcp ask shows which options were left out, and the size.',
    source: 'RFC 2132 section 9.10; RFC 2131 section 2 (576 bytes)',
    find(evidence) {
      const boot = presentBoot(evidence);
      const left = numbersFact(lastOf(boot.steps, ['dhcp-offer', 'dhcp-ack', 'dhcp-proxy-offer']), 'left_out');
      if (left.length === 0 || boot.reached > Stage.firmwareLeased || silentSeconds(evidence) < 5) return undefined;
      const words = `options ${left.join(', ')} found no room in the reply`;
      return isIgnoringOffers(evidence) || left.some((code) => BOOT_OPTIONS.includes(code)) ? likely(words) : possible(words);
    },
  },
  {
    id: 'http-boot-class',
    title: 'The HTTP Boot offer does not say HTTPClient',
    means: 'UEFI HTTP Boot drops an offer whose vendor class (option 60) is not `HTTPClient`. An option of the node or the network has replaced it.',
    fix: 'Take option 60 out of the options of the node and the network.',
    proof: 'prybar dhcp ask --arch 16 --vendor HTTPClient:Arch:00016:UNDI:003016 shows option 60 of the reply.',
    source: 'UEFI 2.10 section 24.7.2.2',
    find(evidence) {
      const offers = openOffers(presentBoot(evidence));
      const isHttp = offers.some((offer) => askerOf(offer) === 'http');
      if (!isHttp || !isIgnoringOffers(evidence)) return undefined;
      const replaced = numbersFact(offers.at(-1), 'own_options').includes(60);
      return replaced ? likely('the offer carries an option 60 of the node or the network') : undefined;
    },
  },
  {
    id: 'option-refused',
    title: 'The firmware drops offers that carry an option it cannot take',
    means: 'Offers go out with options of the node or the network, and no REQUEST follows. Some firmware drops the whole packet for one option.',
    fix: 'Take the options away one by one; the quirks table (docs/dhcp.md) is the place for firmware that needs it.',
    proof: 'Without the options a REQUEST follows; other machines of that model behave the same.',
    source: 'seen with old ROMs and options 43 and 128 to 135; RFC 4578 section 2.4',
    find(evidence) {
      if (!isIgnoringOffers(evidence)) return undefined;
      const offers = openOffers(presentBoot(evidence));
      const own = numbersFact(offers.at(-1), 'own_options');
      return own.length === 0 ? undefined : likely(`${offers.length} offers with the options ${own.join(', ')} of the node or its network were not taken`);
    },
  },
  {
    id: 'proxy-offer-ignored',
    title: 'The firmware ignores proxy offers',
    means:
      'The network is in proxy mode: another server gives the address, we add the boot file. This firmware takes the address and never looks at our offer.',
    fix: 'Let the other server send next-server and file name itself (options 66 and 67), or make this network authoritative.',
    proof: 'After our proxy OFFER neither a packet on port 4011 nor a TFTP request comes.',
    source: 'PXE 2.1 section 2.2; old ROMs and BMC-shared NICs; attack case 14',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const offers = openOffers(presentBoot(evidence));
      const isProxy = evidence.network?.mode === 'proxy' || offers.at(-1)?.kind === 'dhcp-proxy-offer';
      const isIgnored = offers.length > 0 && silentSeconds(evidence) >= 15 && steps.every((step) => step.kind !== 'dhcp-ack');
      return isProxy && isIgnored ? likely(`${offers.length} proxy offers, and no packet on 4011 and no file asked for after them`) : undefined;
    },
  },
  {
    id: 'offer-ignored',
    title: 'The machine does not take our offer',
    means: 'It asks, we offer, it asks again. Either the offer does not reach it (broadcast filtered, relay, VLAN on the way back) or its firmware drops it.',
    fix: 'Look whether the OFFER arrives: if it does not, look at relay, VLAN and broadcast filters; if it does, look at prybar dhcp ask and the quirks.',
    proof: 'tcpdump at the switch port of the machine: is the OFFER there?',
    source: 'RFC 2131 section 4.1; testbed 3',
    find(evidence) {
      if (!isIgnoringOffers(evidence)) return undefined;
      const offers = openOffers(presentBoot(evidence));
      const words = `${offers.length} offers in a row, and no REQUEST`;
      return evidence.network?.mode === 'proxy' ? possible(words) : likely(words);
    },
  },
];
