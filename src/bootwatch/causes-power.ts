/** PURE: causes before the first packet: power, boot order, the wrong network, servers that do not answer yet. */
import { certain, likely, possible, spanText, type Cause } from './cause.js';
import { allOf, lastOf, presentBoot, silentSeconds, textFact, type Evidence } from './evidence.js';
import { askerOf, Stage } from './steps.js';

/** Without a history of its own: a server's self test takes two to five minutes. */
const PATIENCE_SECONDS = 120;
/** netboot-rules 17. */
const PATIENCE_FACTOR = 3;

const POWERED = ['power-on', 'power-cycle'];

/** The power was switched on and nothing but the switch was seen since. */
function isWaitingForDiscover(evidence: Evidence): boolean {
  const { steps } = presentBoot(evidence);
  return steps.every((step) => step.kind.startsWith('power-')) && lastOf(steps, 'power-off') !== (steps.at(-1) ?? null);
}

/** Firmware sends the first three fields of a UUID in SMBIOS's byte order, loaders in the network's: the two are one machine. */
function oneOrder(uuid: string): string {
  const swap = (from: number, to: number) => (uuid.slice(from, to).match(/../g) ?? []).toReversed().join('');
  const swapped = swap(0, 8) + swap(8, 12) + swap(12, 16) + uuid.slice(16);
  return swapped < uuid ? swapped : uuid;
}

function nicWords(evidence: Evidence): string[] {
  const nics = evidence.node?.nics ?? [];
  const words = nics.flatMap(({ mac, carrier, lldp }) => {
    const link = carrier === undefined ? [] : [`${mac} had ${carrier ? 'a' : 'no'} link when it was last discovered`];
    return lldp === undefined ? link : [...link, `${mac} was at ${lldp}`];
  });
  const device = evidence.node?.bootDevice;
  return device === undefined ? words : [...words, `its boot order began with ${device}`];
}

export const POWER_CAUSES: readonly Cause[] = [
  {
    id: 'powered-off',
    title: 'The machine is off',
    means: 'Its BMC says that the power is off. A machine that is off boots nothing.',
    fix: 'prybar nodes power <node> on --boot pxe',
    proof: "The BMC's power state: prybar nodes show <node>.",
    source: 'the BMC',
    find(evidence) {
      if (evidence.node?.power?.state !== 'off') return undefined;
      const last = presentBoot(evidence).steps.at(-1);
      return last === undefined || last.kind === 'power-off' || silentSeconds(evidence) > 30 ? certain('the BMC says that the power is off') : undefined;
    },
  },
  {
    id: 'bmc-fails',
    title: 'The BMC does not carry out what it is told',
    means: 'The last call to the BMC failed, so the machine may never have been switched on or told to boot from the network.',
    fix: 'Put the address, user or password right: prybar nodes bmc <node> ...',
    proof: 'prybar nodes power <node> on answers without an error.',
    source: "the BMC's own answer",
    find(evidence) {
      const error = evidence.node?.power?.lastError ?? null;
      return error !== null && isWaitingForDiscover(evidence) ? likely(`the last call to the BMC failed: ${error}`) : undefined;
    },
  },
  {
    id: 'booted-from-disk',
    title: 'It booted from its disk instead',
    means:
      'After the power came on a system asked for an address, and no firmware did: the boot order has the disk before the network, or the one-time boot device was lost.',
    fix: 'prybar nodes power <node> cycle --boot pxe; if that does not hold, put the network first in the firmware (BIOS boot order, or efibootmgr -o)',
    proof: 'The console shows the boot device; efibootmgr shows BootCurrent.',
    source: 'netboot-rules 16',
    find(evidence) {
      const { steps } = presentBoot(evidence);
      const powered = lastOf(steps, POWERED);
      if (powered === undefined || steps.some((step) => ['pxe', 'http', 'ipxe'].includes(askerOf(step) ?? ''))) return undefined;
      const system = steps.find((step) => askerOf(step) === 'other' || step.kind === 'disk-boot');
      const wanted = textFact(powered, 'next_boot') === 'pxe' || (evidence.node !== null && evidence.node.bootenv !== 'local');
      return system === undefined || !wanted ? undefined : certain('the power came on, no firmware asked for an address, and then an installed system did');
    },
  },
  {
    id: 'not-confirmed',
    title: 'The boot servers have not confirmed what it shall boot',
    means: 'No machine is rebooted before every boot server has said that it answers what is desired. One of them lags or is gone.',
    fix: 'Start the server that lags; one that is gone for good leaves the set when its lease ends (15 s).',
    proof: 'prybar nodes show <node>: the line `served`.',
    source: 'DESIGN rule 6, engine-rules 6',
    find(evidence) {
      const { node } = evidence;
      if (node === null || node.waitingFor.length === 0 || evidence.servers.dhcp === 0) return undefined;
      const boot = presentBoot(evidence);
      const isUnderWay = boot.steps.length > 0 && boot.reached < Stage.reported;
      return isUnderWay ? possible(...node.waitingFor) : certain(...node.waitingFor);
    },
  },
  {
    id: 'no-boot-server',
    title: 'No DHCP server of Prybar is running',
    means: 'Nobody would answer the machine, so it is not switched on, and if it is on it hears nothing.',
    fix: 'Start it: prybar up --interface <name>, or the boot service (dist/src/bin/boot.js).',
    proof: 'prybar status lists the boot servers; prybar dhcp check says who holds port 67.',
    source: 'engine-rules 6: an empty confirming set is not served',
    find: (evidence) => (evidence.servers.dhcp === 0 && silentSeconds(evidence) > 15 ? certain('no DHCP server has reported in the last 15 s') : undefined),
  },
  {
    id: 'no-discover',
    title: 'No DISCOVER since it was switched on',
    means:
      'It has power, and its firmware was not heard: no link, another VLAN, network boot switched off, another boot device first, or a self test that waits for a key.',
    fix: 'prybar nodes power <node> cycle --boot pxe once; then look at the console, the link light and the VLAN, and switch PXE on for that NIC in the firmware.',
    proof: 'tcpdump -ni <interface> port 67 while it boots: nothing there means link, VLAN or firmware.',
    source: 'netboot-rules 17',
    find(evidence) {
      if (!isWaitingForDiscover(evidence) || evidence.node?.alive === true || evidence.node?.power?.state === 'off') return undefined;
      const powered = lastOf(presentBoot(evidence).steps, POWERED);
      if (powered === undefined) return evidence.node === null ? undefined : possible('it was never heard', ...nicWords(evidence));
      const patience = evidence.usualSecondsToDiscover === null ? PATIENCE_SECONDS : PATIENCE_FACTOR * evidence.usualSecondsToDiscover;
      const waited = (evidence.now.getTime() - powered.at.getTime()) / 1000;
      if (waited <= patience) return undefined;
      const usual = evidence.usualSecondsToDiscover;
      return likely(
        `no DISCOVER in the ${spanText(waited)} since its ${powered.kind.replace('-', ' ')}${usual === null ? '' : `; it usually takes ${spanText(usual)}`}`,
        ...nicWords(evidence),
      );
    },
  },
  {
    id: 'two-machines-one-mac',
    title: 'Two machines have the same MAC',
    means:
      'Requests with one MAC come from two mainboards: a cloned virtual machine, a replaced board with its old MAC written in, or a docking adapter that moves.',
    fix: 'Give one of them another MAC, or take it off the network.',
    proof: 'Option 97 (the machine UUID) differs between requests of the same MAC.',
    source: 'RFC 4578 section 2.3; attack case 13',
    find(evidence) {
      const since = evidence.now.getTime() - 900_000;
      const recent = evidence.attempts.flatMap(({ steps }) => allOf(steps, 'dhcp-discover', 'pxe')).filter((step) => step.at.getTime() >= since);
      const uuids = [
        ...new Set(
          recent
            .map((step) => textFact(step, 'uuid'))
            .filter((uuid) => uuid !== undefined)
            .map(oneOrder),
        ),
      ];
      return uuids.length < 2 ? undefined : certain(`its requests of the last 15 minutes carry ${uuids.length} machine UUIDs: ${uuids.slice(0, 3).join(', ')}`);
    },
  },
];
