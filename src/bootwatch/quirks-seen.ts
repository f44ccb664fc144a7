/** PURE: the rows of the firmware quirks table (dhcp/quirks.ts) that fit what a machine has said. netboot-rules 11. */
import { architectures } from '../dhcp/codes.js';
import { quirksOf } from '../dhcp/quirks.js';
import { lastOf, numberFact, presentBoot, textFact, type Evidence } from './evidence.js';
import { askerOf } from './steps.js';

/** Names and sources of the quirks; empty when the machine is not known to need any. */
export function quirksSeen(evidence: Evidence): { name: string; source: string }[] {
  const asked = lastOf(presentBoot(evidence).steps, 'dhcp-discover');
  const stage = asked === undefined ? undefined : askerOf(asked);
  if (asked === undefined || (stage !== 'pxe' && stage !== 'http' && stage !== 'ipxe')) return [];
  const architecture = numberFact(asked, 'arch');
  const firmware = architecture === undefined ? 'unknown' : (architectures[architecture]?.firmware ?? 'unknown');
  const client = {
    mac: asked.mac,
    clientId: undefined,
    uuid: undefined,
    architecture,
    firmware,
    stage,
    vendorClass: textFact(asked, 'vendor_class'),
    hostName: undefined,
  } as const;
  return quirksOf(client).map(({ name, source }) => ({ name, source }));
}
